/// What Python gives instead of a list: the result of a filter such as `map`, which can be gone through once, and a
/// view of a mapping. Neither has elements by place, and the former has no length and is true even if nothing is in it,
/// so a template that takes it for a list does something else. It belongs to one rendering, on one thread.
package final class Iteration: @unchecked Sendable {
    enum Kind: String, Sendable {
        case generator
        case keys = "dict_keys"
        case values = "dict_values"
        case items = "dict_items"
    }

    let kind: Kind
    private let all: [Value]
    /// The next element that a generator gives.
    private var place = 0

    init(_ kind: Kind, _ elements: [Value]) { (self.kind, all) = (kind, elements) }

    /// The number of elements of a view; a generator has none.
    var count: Int? { kind == .generator ? nil : all.count }

    /// All that is left. A generator is empty then.
    func elements() -> [Value] {
        guard kind == .generator else { return all }
        defer { place = all.count }
        return Array(all[place...])
    }

    /// The next element of a generator, the first one of a view.
    func next() -> Value? {
        guard kind == .generator else { return all.first }
        guard place < all.count else { return nil }
        defer { place += 1 }
        return all[place]
    }
}
