import DamaSupport
import DamaTestSupport
import XCTest

@testable import DamaModels

/// Files of torch.save against torch.load (Fixtures/make_torch_files.py), and files that must be refused.
final class TorchFileTests: XCTestCase {
    private func path(_ name: String) -> String { Fixtures.path("torch/\(name).bin") }

    private func assertEqualsTorch(_ name: String, expected: JSON, line: UInt = #line) throws {
        let tensors = try TorchFile(path: path(name)).tensors
        let members = try XCTUnwrap(expected.object).members
        XCTAssertEqual(tensors.map(\.name), members.map(\.key), name, line: line)
        for (tensor, (key, json)) in zip(tensors, members) {
            XCTAssertEqual(tensor.shape, json["shape"]?.array?.compactMap(\.int), key, line: line)
            let values = try XCTUnwrap(json["values"]?.array).compactMap(\.double)
            switch json["dtype"]?.string {
            case "float32", "float16", "bfloat16":
                XCTAssertEqual(try tensor.floats().map(Double.init), values, key, line: line)
            case "int64":
                XCTAssertEqual(tensor.type, .other("I64"), line: line)
                let found = (0..<tensor.count).map {
                    tensor.bytes.loadUnaligned(fromByteOffset: 8 * $0, as: Int64.self)
                }
                XCTAssertEqual(found.map(Double.init), values, key, line: line)
            case "bool":
                XCTAssertEqual(tensor.type, .other("BOOL"), line: line)
                XCTAssertEqual(tensor.bytes.map(Double.init), values, key, line: line)
            case let other: XCTFail("no test of \(other ?? "nothing")", line: line)
            }
        }
    }

    func testTensorsEqualTorch() throws {
        let expected = try XCTUnwrap(Fixtures.json("torch/expected.json").object)
        XCTAssertEqual(expected.count, 5)
        for (name, json) in expected.members { try assertEqualsTorch(name, expected: json) }
        // Sizes and offsets in zip64 fields, as in files above 4 GiB.
        try assertEqualsTorch("zip64", expected: XCTUnwrap(expected["types"]))
    }

    func testASharedStorageIsMappedOnce() throws {
        let tensors = try TorchFile(path: path("views")).tensors
        XCTAssertEqual(tensors[1].bytes.baseAddress, tensors[2].bytes.baseAddress)
        XCTAssertEqual(tensors[3].bytes.count, 0)
    }

    func testOtherFilesAreRefusedByName() {
        for (name, code, text) in [
            ("command", DamaError.Code.unsupported, "refers to posix.system; only tensors"),
            ("model", .unsupported, "refers to torch.nn.modules.linear.Linear; only tensors"),
            ("nested", .unsupported, #""state_dict" is a dictionary, not a tensor"#),
            ("number", .unsupported, #""epoch" is a number, not a tensor"#),
            ("list", .unsupported, "the pickle holds a list; expected a dictionary"),
            ("protocol4", .unsupported, "protocol 4; protocols 2 and 3 are read"),
            ("legacy", .unsupported, "the format of torch before 1.6"),
            ("transposed", .unsupported, "a tensor of shape [3, 2] has the strides [1, 3]; only row-major"),
            ("quantized", .unsupported, "the pickle"),
            ("compressed", .unsupported, "is compressed (method 8)"),
            ("no_pickle", .unsupported, "has no data.pkl"),
            ("big_endian", .unsupported, "another byte order"),
            ("short_storage", .model, #"tensor "float": its storage has 4 bytes; expected 6 elements of 4 bytes"#),
            ("no_storage", .model, #"tensor "float": the zip archive has no member data/0"#),
        ] {
            assertFails(code, text) { _ = try TorchFile(path: self.path(name)) }
        }
    }

    /// Every file that is cut, or that has one other byte, is read or refused; nothing traps.
    func testDamagedFilesAreErrors() throws {
        func entries(_ bytes: some Sequence<UInt8>) throws -> [TorchFile.Entry] {
            try Array(bytes).withUnsafeBytes { bytes throws(DamaError) in try TorchFile.entries(bytes) }
        }
        for name in ["views", "zip64", "command"] {
            let bytes = try Files.read(path(name))
            for end in stride(from: 0, to: bytes.count, by: 7) {
                XCTAssertThrowsError(try entries(bytes[..<end]), "cut at \(end)")
            }
            var read = 0
            for position in bytes.indices {
                for value: UInt8 in [0, 0x7F, 0xFF] where bytes[position] != value {
                    var changed = bytes
                    changed[position] = value
                    for entry in (try? entries(changed)) ?? [] {
                        read += 1
                        XCTAssertTrue((0...bytes.count).contains(entry.range.upperBound))
                    }
                }
            }
            XCTAssertEqual(read > 0, name != "command")
        }
    }

    func testAPickleThatNeverEndsIsAnError() {
        for program: [UInt8] in [
            [0x80, 2], [0x80, 2, UInt8(ascii: ".")], [0x80, 2, UInt8(ascii: "t")], [0x80, 2, UInt8(ascii: "("), 0x85],
            // A string of 2³² − 1 bytes, a number of 255, a memo that was never set.
            [0x80, 2, UInt8(ascii: "X"), 255, 255, 255, 255], [0x80, 2, 0x8A, 255], [0x80, 2, UInt8(ascii: "h"), 9],
            // A dictionary that contains itself.
            [0x80, 2, UInt8(ascii: "}"), UInt8(ascii: "q"), 0, UInt8(ascii: "h"), 0, UInt8(ascii: "h"), 0]
                + Array("s.".utf8),
        ] {
            XCTAssertThrowsError(
                try program.withUnsafeBytes { bytes throws(DamaError) in try TorchPickle.tensors(bytes).count },
                "\(program)")
        }
    }
}
