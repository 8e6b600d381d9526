import DamaSupport
import DamaTestSupport
import XCTest

@testable import DamaModels

final class SafetensorsTests: XCTestCase {
    // MARK: Reading

    func testValuesEqualTorchBitForBit() throws {
        let file = try SafetensorsFile(path: Fixtures.path("safetensors/single.safetensors"))
        let expected = try XCTUnwrap(Fixtures.json("safetensors/expected.json").object)
        XCTAssertGreaterThan(expected.count, 6)
        for member in expected.members {
            let tensor = try XCTUnwrap(file[member.key], member.key)
            XCTAssertEqual(tensor.shape, member.value["shape"]?.array?.compactMap(\.int), member.key)
            let values = try XCTUnwrap(member.value["values"]?.array).map { Float($0.string ?? "")! }
            let found = try tensor.floats()
            // Bit patterns, so that −0 and 0 differ.
            XCTAssertEqual(found.map(\.bitPattern), values.map(\.bitPattern), member.key)
        }
        XCTAssertEqual(file.metadata, ["format": "pt"])
        XCTAssertEqual(Set(file.names), Set(expected.members.map(\.key) + ["long", "double", "eighth"]))
    }

    func testEveryHalfAndBrainFloatConvertsExactly() throws {
        let all = (0...UInt16.max).flatMap { [UInt8($0 & 255), UInt8($0 >> 8)] }
        let directory = try TemporaryDirectory()
        let path = directory.path + "/all.safetensors"
        try all.withUnsafeBytes { bytes in
            try SafetensorsWriter.write(
                [
                    .init(name: "half", type: .float16, shape: [256, 256], bytes: bytes),
                    .init(name: "brain", type: .bfloat16, shape: [65536], bytes: bytes),
                ], to: path)
        }
        let file = try SafetensorsFile(path: path)
        let half = try XCTUnwrap(file["half"]).floats()
        let brain = try XCTUnwrap(file["brain"]).floats()
        for bits in 0...UInt16.max {
            // The oracle is Swift's own conversion.
            let expected = Float(Float16(bitPattern: bits))
            if expected.isNaN {
                XCTAssertTrue(half[Int(bits)].isNaN)
            } else {
                XCTAssertEqual(half[Int(bits)].bitPattern, expected.bitPattern, "half \(bits)")
            }
            XCTAssertEqual(brain[Int(bits)].bitPattern, UInt32(bits) << 16, "brain \(bits)")
        }
    }

    func testOtherTypesAreListedAndRefusedOnUse() throws {
        let file = try SafetensorsFile(path: Fixtures.path("safetensors/single.safetensors"))
        for (name, type) in [("long", "I64"), ("double", "F64"), ("eighth", "F8_E4M3")] {
            let tensor = try XCTUnwrap(file[name])
            XCTAssertEqual(tensor.type.name, type)
            assertFails(.unsupported, "\"\(name)\" has the type \(type)") { _ = try tensor.floats() }
        }
    }

    func testPartsOfATensorAndLargeOnes() throws {
        // More elements than one piece of the parallel conversion, and not a multiple of it.
        let values = (0..<1_300_001).map { Float16($0 % 2048) }
        let directory = try TemporaryDirectory()
        let path = directory.path + "/large.safetensors"
        try values.withUnsafeBytes {
            try SafetensorsWriter.write([.init(name: "x", type: .float16, shape: [1_300_001], bytes: $0)], to: path)
        }
        let tensor = try WeightStore(file: path).tensor("x")
        XCTAssertEqual(try tensor.floats(), values.map(Float.init))
        var part = [Float](repeating: -1, count: 5)
        try part.withUnsafeMutableBufferPointer { try tensor.copyFloats(from: 1_299_996, into: $0) }
        XCTAssertEqual(part, values[1_299_996...].map(Float.init))
        assertFails(.shapeMismatch, "1300001 elements; cannot copy 5 from position 1299997") {
            try part.withUnsafeMutableBufferPointer { try tensor.copyFloats(from: 1_299_997, into: $0) }
        }
    }

    // MARK: Directories

    func testShardsAreOneTable() throws {
        let store = try WeightStore(directory: Fixtures.path("safetensors/sharded"))
        XCTAssertEqual(store.names, ["brain.random", "full", "half"])
        let single = try WeightStore(file: Fixtures.path("safetensors/single.safetensors"))
        for name in store.names {
            let (a, b) = (try store.tensor(name).floats(), try single.tensor(name).floats())
            XCTAssertEqual(a.map(\.bitPattern), b.map(\.bitPattern))
        }
        XCTAssertEqual(store.byteCount, 15 * 4 + 9 * 2 + 7 * 2)
        assertFails(.model, "tensor \"full\" has the shape [3, 5], expected [5, 3]") {
            _ = try store.tensor("full", expectedShape: [5, 3])
        }
        assertFails(.model, "no tensor \"absent\" among its 3") { _ = try store.tensor("absent") }
    }

    func testFingerprintSeesContentAndNotLayout() throws {
        let store = try WeightStore(directory: Fixtures.path("safetensors/sharded"))
        let directory = try TemporaryDirectory()
        let path = directory.path + "/model.safetensors"
        func copy(changing changed: String? = nil) throws -> String {
            var tensors: [SafetensorsWriter.Tensor] = []
            for name in store.names.reversed() {
                let tensor = try store.tensor(name)
                let shape = name == changed ? [tensor.count, 1] : tensor.shape
                tensors.append(.init(name: name, type: tensor.type, shape: shape, bytes: tensor.bytes))
            }
            try SafetensorsWriter.write(tensors, metadata: ["other": "text"], to: path)
            return try WeightStore(directory: directory.path).fingerprint
        }
        XCTAssertEqual(store.fingerprint.utf8.count, 64)
        XCTAssertEqual(try copy(), store.fingerprint)
        XCTAssertNotEqual(try copy(changing: "full"), store.fingerprint)
        var bytes = try Files.read(path)
        bytes[bytes.count - 1] ^= 1
        XCTAssertNotEqual(try WeightStore(file: directory.write(bytes, to: "flipped")).fingerprint, store.fingerprint)
    }

    func testWrongDirectoriesAreNamed() throws {
        let directory = try TemporaryDirectory()
        assertFails(.io, "has no weights; expected one of model.safetensors") {
            _ = try WeightStore(directory: directory.path)
        }
        try directory.write([0], to: "pytorch_model.bin")
        assertFails(.unsupported, "pytorch_model.bin: the file is not a zip archive") {
            _ = try WeightStore(directory: directory.path)
        }
        assertFails(.io, "not a directory") { _ = try WeightStore(directory: directory.path + "/absent") }

        let shard = try Files.read(Fixtures.path("safetensors/sharded/model-00001-of-00002.safetensors"))
        try directory.write(shard, to: "a.safetensors")
        let cases: [(String, DamaError.Code, String)] = [
            (#"{"weight_map": {"full": "b.safetensors"}}"#, .io, "b.safetensors is missing"),
            (#"{"weight_map": {"absent": "a.safetensors"}}"#, .model, "has no tensor \"absent\""),
            (
                #"{"weight_map": {"full": "../a.safetensors"}}"#, .model,
                "\"../a.safetensors\" is not the name of a file"
            ),
            (
                #"{"weight_map": {"full": 1}}"#, .model,
                "the file name of tensor \"full\" must be a string, found a number"
            ),
            (#"{"weight_map": {"full": "a.safetensors", "full": "a.safetensors"}}"#, .model, "\"full\" twice"),
            (#"{}"#, .model, "expected an object \"weight_map\""),
            (#"{"#, .model, "not valid JSON"),
        ]
        for (index, code, message) in cases {
            try directory.write(index.utf8, to: "model.safetensors.index.json")
            assertFails(code, message) { _ = try WeightStore(directory: directory.path) }
        }
    }

    // MARK: Corrupt files

    func testCorruptHeadersAreNamed() throws {
        let cases: [(String, data: Int, message: String)] = [
            ("[]", 0, "must be a JSON object, found an array"),
            ("", 0, "not valid JSON"),
            ("{\"a\":", 0, "not valid JSON"),
            (#"{"a":1}"#, 0, "\"a\" has no \"dtype\""),
            (#"{"a":{"dtype":"F32","data_offsets":[0,4]}}"#, 4, "\"a\" has no \"shape\""),
            (#"{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}"#, 4, "\"a\" has -1 in its shape"),
            (#"{"a":{"dtype":"F32","shape":[1.5],"data_offsets":[0,4]}}"#, 4, "\"a\" has 1.5 in its shape"),
            (#"{"a":{"dtype":"F32","shape":[1]}}"#, 4, "\"data_offsets\" null, expected [begin, end]"),
            (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}"#, 4, "[4,0], expected [begin, end]"),
            (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4,8]}}"#, 8, "[0,4,8], expected [begin, end]"),
            (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}}"#, 4, "[-4,0], expected [begin, end]"),
            (
                #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#, 4,
                "\"a\" ends at byte 8 of the data, but the file has 4"
            ),
            (
                #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,9223372036854775807]}}"#, 4,
                "ends at byte 9223372036854775807"
            ),
            (
                #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}"#, 4,
                "\"a\" of type F32 and shape [2] has 4 bytes, expected 8"
            ),
            (#"{"a":{"dtype":"F16","shape":[1],"data_offsets":[0,4]}}"#, 4, "has 4 bytes, expected 2"),
            (
                #"{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}}"#, 0,
                "more elements than 64 bits can count"
            ),
            (
                #"{"a":{"dtype":"F32","shape":[0,4294967296,4294967296],"data_offsets":[0,0]}}"#, 0,
                "more elements than 64 bits can count"
            ),
            (
                #"{"a":{"dtype":"F64","shape":[4611686018427387904],"data_offsets":[0,0]}}"#, 0,
                "has 0 bytes, expected more than 64 bits can count"
            ),
            (
                #"{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}}"#,
                6, "\"b\" starts at byte 2 of the data, expected 4: it overlaps"
            ),
            (
                #"{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[6,10]}}"#,
                10, "\"b\" starts at byte 6 of the data, expected 4: there is a gap"
            ),
            (#"{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}"#, 5, "the tensors end at byte"),
            (#"{}"#, 1, "the tensors end at byte"),
            (
                #"{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}"#,
                1, "names tensor \"a\" twice"
            ),
            (#"{"__metadata__":{"x":1}}"#, 0, "has a number at \"x\", expected a string"),
            (#"{"__metadata__":[]}"#, 0, "must be an object of strings, found an array"),
        ]
        let directory = try TemporaryDirectory()
        for (header, data, message) in cases {
            let path = try directory.write(file(header: header, data: data), to: "bad.safetensors")
            assertFails(.model, message) { _ = try SafetensorsFile(path: path) }
            assertFails(.model, path) { _ = try SafetensorsFile(path: path) }
        }
    }

    func testHeaderLengthsThatLie() throws {
        let directory = try TemporaryDirectory()
        for length in [3, 100_000_001, UInt64(Int64.max), .max] {
            let bytes = withUnsafeBytes(of: length.littleEndian) { Array($0) } + Array("{}".utf8)
            let path = try directory.write(bytes, to: "bad.safetensors")
            assertFails(.model, "the header says that it has \(length) bytes; the file has 2 after") {
                _ = try SafetensorsFile(path: path)
            }
        }
        for size in [0, 7] {
            let path = try directory.write([UInt8](repeating: 0, count: size), to: "short.safetensors")
            assertFails(.model, "this one has \(size) bytes") { _ = try SafetensorsFile(path: path) }
        }
    }

    /// Every proper prefix of a valid file is an error.
    func testEveryTruncationIsAnError() throws {
        let whole = try Files.read(Fixtures.path("safetensors/single.safetensors"))
        for count in 0..<whole.count {
            try whole.withUnsafeBytes { bytes in
                XCTAssertThrowsError(
                    try SafetensorsHeader(parsing: UnsafeRawBufferPointer(rebasing: bytes[..<count])), "\(count)")
            }
        }
    }

    // MARK: Writing

    func testWriterRefusesWhatDoesNotFit() throws {
        let directory = try TemporaryDirectory()
        let path = directory.path + "/x.safetensors"
        let bytes = [UInt8](repeating: 0, count: 8)
        try bytes.withUnsafeBytes { bytes in
            for (type, shape) in [(WeightType.float32, [3]), (.float16, [2, -2]), (.other("NEW"), [8])] {
                assertFails(.invalidArgument, "\"x\" has 8 bytes, which do not fit") {
                    try SafetensorsWriter.write([.init(name: "x", type: type, shape: shape, bytes: bytes)], to: path)
                }
            }
            let tensor = SafetensorsWriter.Tensor(name: "x", type: .float32, shape: [2], bytes: bytes)
            assertFails(.invalidArgument, "the tensor name \"x\" is a duplicate or reserved") {
                try SafetensorsWriter.write([tensor, tensor], to: path)
            }
            XCTAssertFalse(Files.exists(path))
            assertFails(.io, "cannot create") { try SafetensorsWriter.write([tensor], to: path + "/no/such") }
            try SafetensorsWriter.write([tensor], metadata: [:], to: path)
        }
        let written = try Files.read(path)
        XCTAssertEqual(written.count % 8, 0)
        XCTAssertEqual(try SafetensorsFile(path: path)["x"]?.floats(), [0, 0])
    }

    func testRoundingToSixteenBits() throws {
        var values: [Float] = []
        for bits in stride(from: UInt64(0), through: 0xFFFF_FFFF, by: 40_009) {
            values.append(Float(bitPattern: UInt32(bits)))
        }
        // Each fp16 value, its fp32 neighbours, and the tie between it and the next value.
        for half in stride(from: UInt16(0), through: 0x7BFF, by: 1) {
            let value = Float(Float16(bitPattern: half))
            let tie = (value + Float(Float16(bitPattern: half + 1))) / 2
            values += [value, -value, value.nextUp, value.nextDown, tie, tie.nextUp, -tie.nextDown]
        }
        // Values that become infinite are an error and are tested separately.
        let isLost = { (value: Float) in value.isFinite && Float16(value).isInfinite }
        let rounding: (Float, WeightType) throws -> [UInt8] = { value, type in
            try withUnsafePointer(to: value) {
                try SafetensorsWriter.encode(UnsafeBufferPointer(start: $0, count: 1), as: type)
            }
        }
        XCTAssertGreaterThan(values.count(where: isLost), 1000)
        for value in values + [Float(65519.996), 65520, -65520] where isLost(value) {
            assertFails(.invalidArgument, "element 0 is \(value), but F16 holds at most 65504") {
                _ = try rounding(value, .float16)
            }
        }
        XCTAssertNoThrow(try rounding(Float(65520).nextDown, .float16))
        values.removeAll(where: isLost)
        let (half, brain, same) = try values.withUnsafeBufferPointer { values in
            (
                try SafetensorsWriter.encode(values, as: .float16), try SafetensorsWriter.encode(values, as: .bfloat16),
                try SafetensorsWriter.encode(values, as: .float32)
            )
        }
        XCTAssertEqual(same, values.withUnsafeBytes { Array($0) })
        for (index, value) in values.enumerated() {
            let halfBits = UInt16(half[2 * index]) | UInt16(half[2 * index + 1]) << 8
            let brainBits = UInt32(brain[2 * index]) << 16 | UInt32(brain[2 * index + 1]) << 24
            if value.isNaN {
                XCTAssertTrue(Float16(bitPattern: halfBits).isNaN && Float(bitPattern: brainBits).isNaN, "\(value)")
                continue
            }
            // The oracles are Swift's conversion, and that no bf16 number is nearer (the even one on a tie).
            XCTAssertEqual(halfBits, Float16(value).bitPattern, "\(value)")
            let below = Float(bitPattern: value.bitPattern & 0xFFFF_0000)
            let above = Float(bitPattern: (value.bitPattern & 0xFFFF_0000) &+ 0x10000)
            guard above.isFinite else { continue }
            let (toBelow, toAbove) = (abs(Double(value) - Double(below)), abs(Double(above) - Double(value)))
            let isBelow = toBelow < toAbove || (toBelow == toAbove && below.bitPattern & 0x10000 == 0)
            XCTAssertEqual(brainBits, (isBelow ? below : above).bitPattern, "\(value)")
        }
        // The largest bf16 number is 0x7F7F. From halfway to the next step on, torch rounds to infinity.
        XCTAssertEqual(try rounding(Float(bitPattern: 0x7F7F_7FFF), .bfloat16), [0x7F, 0x7F])
        for bits: UInt32 in [0x7F7F_8000, 0xFF7F_8000, 0x7F7F_FFFF] {
            assertFails(.invalidArgument, "but BF16 holds at most") {
                _ = try rounding(Float(bitPattern: bits), .bfloat16)
            }
        }
        XCTAssertEqual(try rounding(-Float.infinity, .bfloat16), [0x80, 0xFF])
        XCTAssertEqual(try rounding(.infinity, .float16), [0x00, 0x7C])
        assertFails(.unsupported, "cannot be written as I64") {
            _ = try SafetensorsWriter.encode(UnsafeBufferPointer(start: nil, count: 0), as: .other("I64"))
        }
    }

    // MARK: Helpers

    private func file(header: String, data: Int) -> [UInt8] {
        withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Array($0) } + Array(header.utf8)
            + [UInt8](repeating: 0, count: data)
    }
}
