import DamaSupport

/// The values that a ``PickleReader`` can make. Tuples and dictionaries stand in tables of the reader, by their index,
/// so that values of any file are flat.
enum PickleValue {
    case bool(Bool)
    case int(Int)
    case text(String)
    case tuple(Int)
    case dictionary(Int)
    case global(PickleGlobal)
    case storage(TorchStorage)
    case tensor(StoredTensor)

    /// The kind in words, for messages.
    var kind: String {
        switch self {
        case .bool: "a boolean"
        case .int: "a number"
        case .text: "a string"
        case .tuple: "a tuple"
        case .dictionary: "a dictionary"
        case .global(let global): global.name
        case .storage: "a storage"
        case .tensor: "a tensor"
        }
    }
}

/// The names that a pickle of tensors refers to. Nothing else can be named, and none of them runs code of the file.
enum PickleGlobal: Equatable {
    case orderedDictionary
    case rebuildTensor
    case rebuildParameter
    case storage(WeightType)

    init?(module: String, name: String) {
        switch (module, name) {
        case ("collections", "OrderedDict"): self = .orderedDictionary
        case ("torch._utils", "_rebuild_tensor_v2"): self = .rebuildTensor
        case ("torch._utils", "_rebuild_parameter"): self = .rebuildParameter
        case ("torch", _):
            guard let type = Self.storages[name] else { return nil }
            self = .storage(type)
        default: return nil
        }
    }

    var name: String {
        switch self {
        case .orderedDictionary: "collections.OrderedDict"
        case .rebuildTensor: "torch._utils._rebuild_tensor_v2"
        case .rebuildParameter: "torch._utils._rebuild_parameter"
        case .storage(let type): "torch's storage of \(type.name)"
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
