import DamaSupport

/// Which models may answer in place of the one that was asked for.
///
/// Servers name the model that answered. Scores of another model are not comparable, so an answer of one is an error.
/// An alias such as `gpt-4o` is answered by a snapshot such as `gpt-4o-2024-08-06`: the same model, named more exactly.
public enum ModelEcho: Sendable, Equatable {
    /// The model asked for, or a dated snapshot of it: its name, followed by `-YYYY-MM-DD`, `-YYYYMMDD` or `-MMDD`. A
    /// server that names no model is believed.
    case askedOrSnapshot
    /// Exactly this one. A server that names no model is not believed.
    case exactly(String)
    /// Any model: what a gateway or a deployment calls it does not matter.
    case any

    /// - Parameters:
    ///   - asked: The model asked for.
    ///   - answered: The model that the server names.
    func accepts(_ answered: String?, asked: String) -> Bool {
        switch self {
        case .any: true
        case .exactly(let name): answered?.hasSameBytes(as: name) ?? false
        case .askedOrSnapshot: answered.map { Self.isSame($0, as: asked) } ?? true
        }
    }

    /// What ``accepts(_:asked:)`` accepts, for messages.
    func expected(asked: String) -> String {
        if case .exactly(let name) = self { JSON.string(name).text } else { JSON.string(asked).text }
    }

    private static func isSame(_ answered: String, as asked: String) -> Bool {
        let (answered, asked) = (Array(answered.utf8), Array(asked.utf8))
        guard answered.starts(with: asked) else { return false }
        let rest = answered.dropFirst(asked.count)
        // The shape of the suffix, with 0 for each digit.
        let shape = String(decoding: rest.map { (0x30...0x39).contains($0) ? 0x30 : $0 }, as: UTF8.self)
        return rest.isEmpty || ["-0000-00-00", "-00000000", "-0000"].contains(shape)
    }
}
