import DamaSupport

/// Reads the part of Python's pickle format that `torch.save` uses for a dictionary of tensors, and nothing else.
///
/// A pickle is a program for a stack machine that may call any function of Python. This reader knows the operations,
/// and the four kinds of names, that a state dictionary needs (``PickleGlobal``). Anything else is refused by its name.
/// So a file can run nothing, and takes no more memory than its own size times a constant.
///
/// Source: Python's `pickletools`, protocol 2; `torch.serialization` and `torch._utils`.
struct PickleReader {
    private let bytes: UnsafeRawBufferPointer
    private var position = 0
    private var stack: [PickleValue] = []
    private var marks: [Int] = []
    private var memo: [Int: PickleValue] = [:]
    private var tuples: [[PickleValue]] = []
    private var dictionaries: [[(key: PickleValue, value: PickleValue)]] = []

    /// The tensors of a pickled state dictionary, in the file's order.
    ///
    /// - Throws: ``DamaError/Code/unsupported`` for an operation or a name that state dictionaries do not need, naming
    ///   it; ``DamaError/Code/model`` for a pickle that is cut or inconsistent.
    static func tensors(_ bytes: UnsafeRawBufferPointer) throws(DamaError) -> [(name: String, tensor: StoredTensor)] {
        var reader = PickleReader(bytes)
        return try reader.stateDictionary()
    }

    private init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    private mutating func stateDictionary() throws(DamaError) -> [(name: String, tensor: StoredTensor)] {
        let result = try run()
        guard case .dictionary(let index) = result else {
            throw .unsupported("the pickle holds \(result.kind); expected a dictionary of tensors (a state_dict)")
        }
        var tensors: [(name: String, tensor: StoredTensor)] = []
        for (key, value) in dictionaries[index] {
            guard case .text(let name) = key else {
                throw .unsupported("the state dictionary has \(key.kind) as a key; expected the names of tensors")
            }
            guard case .tensor(let tensor) = value else {
                throw .unsupported(
                    "\(quoted(name)) is \(value.kind), not a tensor; expected a state dictionary alone, as "
                        + "torch.save(model.state_dict(), …) writes it")
            }
            tensors.append((name, tensor))
        }
        return tensors
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
                    throw .unsupported("the pickle has protocol \(version); torch.save writes protocol 2")
                }
            case UInt8(ascii: "."): return try pop()
            case UInt8(ascii: "("): marks.append(stack.count)
            case UInt8(ascii: ")"): pushTuple([])
            case UInt8(ascii: "t"): pushTuple(try popToMark())
            case 0x85, 0x86, 0x87: pushTuple(try pop(Int(code) - 0x84))
            case UInt8(ascii: "}"): pushDictionary()
            case UInt8(ascii: "s"): try setItems(try pop(2))
            case UInt8(ascii: "u"): try setItems(try popToMark())
            case UInt8(ascii: "X"): stack.append(.text(try text(Int(try uint32()))))
            case UInt8(ascii: "K"): stack.append(.int(Int(try byte())))
            case UInt8(ascii: "M"): stack.append(.int(Int(try byte()) | Int(try byte()) << 8))
            case UInt8(ascii: "J"): stack.append(.int(Int(Int32(bitPattern: try uint32()))))
            case 0x8A: stack.append(.int(try long()))
            case 0x88: stack.append(.bool(true))
            case 0x89: stack.append(.bool(false))
            case UInt8(ascii: "q"): memo[Int(try byte())] = try top()
            case UInt8(ascii: "r"): memo[Int(try uint32())] = try top()
            case UInt8(ascii: "h"): try recall(Int(try byte()))
            case UInt8(ascii: "j"): try recall(Int(try uint32()))
            case UInt8(ascii: "c"): stack.append(.global(try global()))
            case UInt8(ascii: "Q"): stack.append(.storage(try storage(try pop())))
            case UInt8(ascii: "R"): try call()
            case UInt8(ascii: "b"):
                // Attributes of the dictionary, such as the versions of its modules.
                let target = try pop(2)[0]
                guard case .dictionary = target else {
                    throw .unsupported("the pickle sets the state of \(target.kind)")
                }
                stack.append(target)
            default:
                throw .unsupported(
                    "the pickle has the operation 0x\(Hexadecimal.text(of: [code])) at byte \(start), which a "
                        + "dictionary of tensors does not need")
            }
        }
    }

    /// Calls one of the known functions.
    private mutating func call() throws(DamaError) {
        let operands = try pop(2)
        guard case .global(let function) = operands[0], case .tuple(let index) = operands[1] else {
            throw .unsupported("the pickle calls \(operands[0].kind)")
        }
        let arguments = tuples[index]
        switch function {
        case .orderedDictionary where arguments.isEmpty: pushDictionary()
        case .rebuildTensor: stack.append(.tensor(try tensor(arguments)))
        case .rebuildParameter:
            guard case .tensor(let tensor)? = arguments.first else {
                throw .model("the pickle makes a parameter from \(arguments.first?.kind ?? "nothing")")
            }
            stack.append(.tensor(tensor))
        default: throw .unsupported("the pickle calls \(function.name) with \(arguments.count) arguments")
        }
    }

    /// `('storage', class, key, device, number of elements)`
    private func storage(_ identifier: PickleValue) throws(DamaError) -> TorchStorage {
        guard case .tuple(let index) = identifier, tuples[index].count == 5, case .text("storage") = tuples[index][0],
            case .global(.storage(let type)) = tuples[index][1], case .text(let key) = tuples[index][2],
            case .int(let count) = tuples[index][4], count >= 0
        else { throw .unsupported("the pickle refers to a persistent object that is not a storage of torch") }
        return TorchStorage(type: type, key: key, count: count)
    }

    /// `(storage, offset, shape, strides, requires_grad, hooks)`
    private func tensor(_ arguments: [PickleValue]) throws(DamaError) -> StoredTensor {
        guard arguments.count >= 4, case .storage(let storage) = arguments[0], case .int(let offset) = arguments[1],
            let shape = sizes(arguments[2]), let strides = sizes(arguments[3]), shape.count == strides.count
        else { throw .model("the pickle describes a tensor by other values than storage, offset, shape and strides") }
        var count = 1
        var isRowMajor = true
        for (size, stride) in zip(shape, strides).reversed() {
            if size != 1, stride != count { isRowMajor = false }
            let (product, overflow) = count.multipliedReportingOverflow(by: max(size, 1))
            guard !overflow else { throw .model("the shape \(shape) has more elements than 64 bits can count") }
            count = product
        }
        if shape.contains(0) { (count, isRowMajor) = (0, true) }
        guard isRowMajor else {
            throw .unsupported(
                "a tensor of shape \(shape) has the strides \(strides); only row-major ones are read (call "
                    + ".contiguous() before torch.save)")
        }
        guard offset >= 0, offset <= storage.count, count <= storage.count - offset else {
            throw .model(
                "a tensor of shape \(shape) at element \(offset) exceeds its storage of \(storage.count) elements")
        }
        return StoredTensor(storage: storage, offset: offset, shape: shape, count: count)
    }

    /// The numbers of a tuple; `nil` if one is not a size.
    private func sizes(_ value: PickleValue) -> [Int]? {
        // torch allows no more dimensions.
        guard case .tuple(let index) = value, tuples[index].count <= 64 else { return nil }
        var sizes: [Int] = []
        for element in tuples[index] {
            guard case .int(let size) = element, size >= 0 else { return nil }
            sizes.append(size)
        }
        return sizes
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

    private mutating func pushTuple(_ values: [PickleValue]) {
        tuples.append(values)
        stack.append(.tuple(tuples.count - 1))
    }

    private mutating func pushDictionary() {
        dictionaries.append([])
        stack.append(.dictionary(dictionaries.count - 1))
    }

    private mutating func setItems(_ values: [PickleValue]) throws(DamaError) {
        guard case .dictionary(let index) = try top(), values.count.isMultiple(of: 2) else {
            throw Self.inconsistent
        }
        for item in stride(from: 0, to: values.count, by: 2) {
            dictionaries[index].append((values[item], values[item + 1]))
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

    /// Two lines: the module and the name.
    private mutating func global() throws(DamaError) -> PickleGlobal {
        let (module, name) = (try line(), try line())
        guard let global = PickleGlobal(module: module, name: name) else {
            throw .unsupported(
                "the pickle refers to \(module).\(name); only tensors and dictionaries of them are read, since other "
                    + "objects could run code")
        }
        return global
    }

    private mutating func line() throws(DamaError) -> String {
        let rest = bytes[position...]
        // Names are short; a longer line belongs to no file of torch.
        guard let end = rest.prefix(256).firstIndex(of: UInt8(ascii: "\n")) else {
            throw .model("the pickle has a name without an end")
        }
        let line = try text(end - position)
        position += 1
        return line
    }
}
