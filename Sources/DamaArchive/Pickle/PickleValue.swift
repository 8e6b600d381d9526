/// The values that a ``Pickle`` is made of. Lists, dictionaries and the like stand in tables of the pickle, by their
/// index, so that values of any file are flat.
package enum PickleValue: Sendable {
    case none
    case bool(Bool)
    case int(Int)
    case double(Double)
    case text(String)
    /// An index of ``Pickle/sequences``.
    case list(Int)
    /// An index of ``Pickle/sequences``.
    case tuple(Int)
    /// An index of ``Pickle/dictionaries``.
    case dictionary(Int)
    /// An index of ``Pickle/names``.
    case name(Int)
    /// A call that was not made: an index of ``Pickle/calls``.
    case call(Int)
    /// An object that the file's writer keeps elsewhere: an index of ``Pickle/persistent``.
    case persistent(Int)
}

/// The name of something in a Python module.
package struct PickleName: Equatable, Sendable {
    package let module: String
    package let name: String

    package init(_ module: String, _ name: String) { (self.module, self.name) = (module, name) }

    package var text: String { "\(module).\(name)" }
}

/// What a pickle describes. Nothing in it has been run.
package struct Pickle: Sendable {
    /// A function with its arguments.
    package struct Call: Sendable {
        package let function: PickleName
        package let arguments: [PickleValue]
    }

    package internal(set) var root = PickleValue.none
    package internal(set) var sequences: [[PickleValue]] = []
    package internal(set) var dictionaries: [[(key: PickleValue, value: PickleValue)]] = []
    package internal(set) var names: [PickleName] = []
    package internal(set) var calls: [Call] = []
    package internal(set) var persistent: [PickleValue] = []

    /// The kind of a value in words, for messages.
    package func kind(of value: PickleValue) -> String {
        switch value {
        case .none: "None"
        case .bool: "a boolean"
        case .int, .double: "a number"
        case .text: "a string"
        case .list: "a list"
        case .tuple: "a tuple"
        case .dictionary: "a dictionary"
        case .name(let index): names[index].text
        case .call(let index): "a result of \(calls[index].function.text)"
        case .persistent: "a persistent object"
        }
    }
}
