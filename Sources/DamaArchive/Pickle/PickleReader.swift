import DamaSupport

/// Reads the part of Python's pickle format that describes plain data: numbers, strings, tuples, lists, dictionaries.
///
/// A pickle is a program for a stack machine that may call any function of Python. This reader calls nothing: a call
/// becomes a ``Pickle/Call``, for whoever knows the function to interpret. Names are refused unless the caller allows
/// them. So a file can run nothing, and takes no more memory than its own size times a constant.
///
/// Source: Python's `pickletools`, protocol 2 and what protocol 3 adds for plain data.
package struct PickleReader {
    /// Throws for a name that the file must not refer to.
    package typealias NameCheck = (PickleName) throws(DamaError) -> Void

    private let bytes: UnsafeRawBufferPointer
    private let check: NameCheck
    private var position = 0
    private var stack: [PickleValue] = []
    private var marks: [Int] = []
    private var memo: [Int: PickleValue] = [:]
    private var pickle = Pickle()

    /// What the pickle in `bytes` describes.
    ///
    /// - Parameter check: Called with each name that the pickle refers to; ``orderedDictionary`` alone needs no check.
    /// - Throws: ``DamaError/Code/unsupported`` for an operation that plain data does not need, naming it;
    ///   ``DamaError/Code/model`` for a pickle that is cut or inconsistent; what `check` throws.
    package static func read(
        _ bytes: UnsafeRawBufferPointer, names check: @escaping NameCheck
    ) throws(DamaError) -> Pickle {
        var reader = PickleReader(bytes, check)
        reader.pickle.root = try reader.run()
        return reader.pickle
    }

    /// A dictionary for this reader, since Python's dictionaries are ordered too.
    package static let orderedDictionary = PickleName("collections", "OrderedDict")

    private init(_ bytes: UnsafeRawBufferPointer, _ check: @escaping NameCheck) {
        (self.bytes, self.check) = (bytes, check)
    }

    // MARK: The machine

    /// Runs the program to its end, and returns the value that it leaves.
    private mutating func run() throws(DamaError) -> PickleValue {
        while true {
            let start = position
            let code = try byte()
            switch code {
            case 0x80:
                let version = try byte()
                guard version <= 3 else {
                    throw .unsupported("the pickle has protocol \(version); protocols 2 and 3 are read")
                }
            case UInt8(ascii: "."): return try pop()
            case UInt8(ascii: "("): marks.append(stack.count)
            case UInt8(ascii: ")"): pushSequence([], PickleValue.tuple)
            case UInt8(ascii: "t"): pushSequence(try popToMark(), PickleValue.tuple)
            case 0x85, 0x86, 0x87: pushSequence(try pop(Int(code) - 0x84), PickleValue.tuple)
            case UInt8(ascii: "]"): pushSequence([], PickleValue.list)
            case UInt8(ascii: "a"): try append(try pop(1))
            case UInt8(ascii: "e"): try append(try popToMark())
            case UInt8(ascii: "}"): pushDictionary()
            case UInt8(ascii: "s"): try setItems(try pop(2))
            case UInt8(ascii: "u"): try setItems(try popToMark())
            case UInt8(ascii: "X"): stack.append(.text(try text(Int(try uint32()))))
            // The strings of Python 2: bytes, which must be UTF-8 here.
            case UInt8(ascii: "U"): stack.append(.text(try text(Int(try byte()))))
            case UInt8(ascii: "T"): stack.append(.text(try text(Int(try uint32()))))
            case UInt8(ascii: "N"): stack.append(.none)
            case UInt8(ascii: "K"): stack.append(.int(Int(try byte())))
            case UInt8(ascii: "M"): stack.append(.int(Int(try byte()) | Int(try byte()) << 8))
            case UInt8(ascii: "J"): stack.append(.int(Int(Int32(bitPattern: try uint32()))))
            case UInt8(ascii: "G"): stack.append(.double(try double()))
            case 0x8A: stack.append(.int(try long()))
            case 0x88: stack.append(.bool(true))
            case 0x89: stack.append(.bool(false))
            case UInt8(ascii: "q"): memo[Int(try byte())] = try top()
            case UInt8(ascii: "r"): memo[Int(try uint32())] = try top()
            case UInt8(ascii: "h"): try recall(Int(try byte()))
            case UInt8(ascii: "j"): try recall(Int(try uint32()))
            case UInt8(ascii: "c"): try pushName()
            case UInt8(ascii: "Q"):
                pickle.persistent.append(try pop())
                stack.append(.persistent(pickle.persistent.count - 1))
            case UInt8(ascii: "R"): try call()
            case UInt8(ascii: "b"):
                // Attributes of the dictionary, such as the versions of a model's modules.
                let target = try pop(2)[0]
                guard case .dictionary = target else {
                    throw .unsupported("the pickle sets the state of \(pickle.kind(of: target))")
                }
                stack.append(target)
            default:
                throw .unsupported(
                    "the pickle has the operation 0x\(Hexadecimal.text(of: [code])) at byte \(start), which plain data "
                        + "does not need")
            }
        }
    }

    /// Notes a call.
    private mutating func call() throws(DamaError) {
        let operands = try pop(2)
        guard case .name(let name) = operands[0], case .tuple(let index) = operands[1] else {
            throw .unsupported("the pickle calls \(pickle.kind(of: operands[0]))")
        }
        let (function, arguments) = (pickle.names[name], pickle.sequences[index])
        if function == Self.orderedDictionary {
            guard arguments.isEmpty else {
                throw .unsupported("the pickle calls \(function.text) with \(arguments.count) arguments")
            }
            return pushDictionary()
        }
        pickle.calls.append(Pickle.Call(function: function, arguments: arguments))
        stack.append(.call(pickle.calls.count - 1))
    }

    // MARK: Stack

    private func top() throws(DamaError) -> PickleValue {
        guard let value = stack.last else { throw Self.inconsistent }
        return value
    }

    private mutating func pop() throws(DamaError) -> PickleValue { try pop(1)[0] }

    private mutating func pop(_ count: Int) throws(DamaError) -> [PickleValue] {
        guard stack.count >= count else { throw Self.inconsistent }
        let values = Array(stack.suffix(count))
        stack.removeLast(count)
        return values
    }

    private mutating func popToMark() throws(DamaError) -> [PickleValue] {
        guard let mark = marks.popLast(), mark <= stack.count else { throw Self.inconsistent }
        return try pop(stack.count - mark)
    }

    private mutating func pushSequence(_ values: [PickleValue], _ kind: (Int) -> PickleValue) {
        pickle.sequences.append(values)
        stack.append(kind(pickle.sequences.count - 1))
    }

    private mutating func append(_ values: [PickleValue]) throws(DamaError) {
        guard case .list(let index) = try top() else { throw Self.inconsistent }
        pickle.sequences[index] += values
    }

    private mutating func pushDictionary() {
        pickle.dictionaries.append([])
        stack.append(.dictionary(pickle.dictionaries.count - 1))
    }

    private mutating func setItems(_ values: [PickleValue]) throws(DamaError) {
        guard case .dictionary(let index) = try top(), values.count.isMultiple(of: 2) else {
            throw Self.inconsistent
        }
        for item in stride(from: 0, to: values.count, by: 2) {
            pickle.dictionaries[index].append((values[item], values[item + 1]))
        }
    }

    private mutating func recall(_ index: Int) throws(DamaError) {
        guard let value = memo[index] else { throw Self.inconsistent }
        stack.append(value)
    }

    // MARK: Bytes

    private static var inconsistent: DamaError { .model("the pickle is inconsistent; is the file damaged?") }

    private mutating func take(_ count: Int) throws(DamaError) -> UnsafeRawBufferPointer {
        guard count <= bytes.count - position else { throw .model("the pickle is cut short; is the file damaged?") }
        defer { position += count }
        return UnsafeRawBufferPointer(rebasing: bytes[position..<position + count])
    }

    private mutating func byte() throws(DamaError) -> UInt8 { try take(1)[0] }

    private mutating func uint32() throws(DamaError) -> UInt32 {
        UInt32(littleEndian: try take(4).loadUnaligned(as: UInt32.self))
    }

    private mutating func text(_ count: Int) throws(DamaError) -> String {
        guard let text = String(validating: try take(count), as: UTF8.self) else {
            throw .model("the pickle has a string that is not UTF-8")
        }
        return text
    }

    /// A number of up to eight bytes, in two's complement.
    private mutating func long() throws(DamaError) -> Int {
        let count = Int(try byte())
        guard count <= 8 else { throw .model("the pickle has a number of \(count) bytes; sizes have at most 8") }
        var value = 0
        let digits = try take(count)
        for (index, digit) in digits.enumerated() { value |= Int(digit) << (8 * index) }
        if let last = digits.last, last & 0x80 != 0, count < 8 { value -= 1 << (8 * count) }
        return value
    }

    /// Big-endian, unlike all other numbers.
    private mutating func double() throws(DamaError) -> Double {
        Double(bitPattern: UInt64(bigEndian: try take(8).loadUnaligned(as: UInt64.self)))
    }

    /// Two lines: the module and the name.
    private mutating func pushName() throws(DamaError) {
        let name = PickleName(try line(), try line())
        if name != Self.orderedDictionary { try check(name) }
        pickle.names.append(name)
        stack.append(.name(pickle.names.count - 1))
    }

    private mutating func line() throws(DamaError) -> String {
        let rest = bytes[position...]
        // Names are short; a longer line belongs to no file of data.
        guard let end = rest.prefix(256).firstIndex(of: UInt8(ascii: "\n")) else {
            throw .model("the pickle has a name without an end")
        }
        let line = try text(end - position)
        position += 1
        return line
    }
}
