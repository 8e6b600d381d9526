import DamaArchive
import DamaSupport

/// The pickle of a file of `torch.save`, as a dictionary of tensors.
///
/// ``PickleReader`` notes the calls of torch's functions, and this type knows what they describe. Nothing is run.
///
/// Source: `torch.serialization` and `torch._utils`.
struct TorchPickle {
    private let pickle: Pickle

    /// The tensors of a pickled state dictionary, in the file's order.
    ///
    /// - Throws: ``DamaError/Code/unsupported`` for an operation or a name that state dictionaries do not need, naming
    ///   it; ``DamaError/Code/model`` for a pickle that is cut or inconsistent.
    static func tensors(_ bytes: UnsafeRawBufferPointer) throws(DamaError) -> [(name: String, tensor: StoredTensor)] {
        let pickle = try PickleReader.read(bytes) { name throws(DamaError) in
            guard TorchName(name) != nil else {
                throw .unsupported(
                    "the pickle refers to \(name.text); only tensors and dictionaries of them are read, since other "
                        + "objects could run code")
            }
        }
        return try TorchPickle(pickle: pickle).stateDictionary()
    }

    private func stateDictionary() throws(DamaError) -> [(name: String, tensor: StoredTensor)] {
        guard case .dictionary(let index) = pickle.root else {
            let kind = pickle.kind(of: pickle.root)
            throw .unsupported("the pickle holds \(kind); expected a dictionary of tensors (a state_dict)")
        }
        var tensors: [(name: String, tensor: StoredTensor)] = []
        for (key, value) in pickle.dictionaries[index] {
            guard case .text(let name) = key else {
                let kind = pickle.kind(of: key)
                throw .unsupported("the state dictionary has \(kind) as a key; expected the names of tensors")
            }
            guard case .call(let call) = value else {
                throw .unsupported(
                    "\(quoted(name)) is \(pickle.kind(of: value)), not a tensor; expected a state dictionary alone, as "
                        + "torch.save(model.state_dict(), …) writes it")
            }
            tensors.append((name, try tensor(pickle.calls[call])))
        }
        return tensors
    }

    /// The tensor that a call of torch's functions makes. A parameter is a call whose first argument is one.
    private func tensor(_ call: Pickle.Call) throws(DamaError) -> StoredTensor {
        switch TorchName(call.function) {
        case .rebuildTensor: return try tensor(call.arguments)
        case .rebuildParameter:
            guard case .call(let index)? = call.arguments.first,
                TorchName(pickle.calls[index].function) == .rebuildTensor
            else {
                let kind = call.arguments.first.map { pickle.kind(of: $0) }
                throw .model("the pickle makes a parameter from \(kind ?? "nothing")")
            }
            return try tensor(pickle.calls[index].arguments)
        default:
            throw .unsupported("the pickle calls \(call.function.text) with \(call.arguments.count) arguments")
        }
    }

    /// `('storage', class, key, device, number of elements)`
    private func storage(_ value: PickleValue) throws(DamaError) -> TorchStorage {
        guard case .persistent(let identifier) = value, case .tuple(let index) = pickle.persistent[identifier],
            case let parts = pickle.sequences[index], parts.count == 5, case .text("storage") = parts[0],
            case .name(let name) = parts[1], case .storage(let type) = TorchName(pickle.names[name]),
            case .text(let key) = parts[2], case .int(let count) = parts[4], count >= 0
        else { throw .unsupported("the pickle refers to a persistent object that is not a storage of torch") }
        return TorchStorage(type: type, key: key, count: count)
    }

    /// `(storage, offset, shape, strides, requires_grad, hooks)`
    private func tensor(_ arguments: [PickleValue]) throws(DamaError) -> StoredTensor {
        guard arguments.count >= 4, case .persistent = arguments[0], case .int(let offset) = arguments[1],
            let shape = sizes(arguments[2]), let strides = sizes(arguments[3]), shape.count == strides.count
        else { throw .model("the pickle describes a tensor by other values than storage, offset, shape and strides") }
        let storage = try storage(arguments[0])
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
        guard case .tuple(let index) = value, pickle.sequences[index].count <= 64 else { return nil }
        var sizes: [Int] = []
        for element in pickle.sequences[index] {
            guard case .int(let size) = element, size >= 0 else { return nil }
            sizes.append(size)
        }
        return sizes
    }
}

/// The names that a pickle of tensors refers to, dictionaries aside. Nothing else can be named.
private enum TorchName: Equatable {
    case rebuildTensor
    case rebuildParameter
    case storage(WeightType)

    init?(_ name: PickleName) {
        switch (name.module, name.name) {
        case ("torch._utils", "_rebuild_tensor_v2"): self = .rebuildTensor
        case ("torch._utils", "_rebuild_parameter"): self = .rebuildParameter
        case ("torch", let name):
            guard let type = Self.storages[name] else { return nil }
            self = .storage(type)
        default: return nil
        }
    }

    /// torch's storage classes, with the names that safetensors gives to their types.
    private static let storages: [String: WeightType] = [
        "FloatStorage": .float32, "HalfStorage": .float16, "BFloat16Storage": .bfloat16,
        "DoubleStorage": .other("F64"), "LongStorage": .other("I64"), "IntStorage": .other("I32"),
        "ShortStorage": .other("I16"), "CharStorage": .other("I8"), "ByteStorage": .other("U8"),
        "BoolStorage": .other("BOOL"),
    ]
}

/// The memory that tensors are views of: one member of the archive.
struct TorchStorage: Equatable {
    var type: WeightType
    /// The member's name below `data/`.
    var key: String
    /// The number of elements.
    var count: Int
}

/// A tensor as a pickle describes it: row-major from an element of its storage on.
struct StoredTensor: Equatable {
    var storage: TorchStorage
    /// The first element.
    var offset: Int
    var shape: [Int]
    var count: Int
}
