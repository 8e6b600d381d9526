import DamaImage
import DamaModels
import DamaSupport

/// The prompt of a row as a policy reads it: messages, and the bytes of their images.
struct PolicyPrompt: Sendable {
    var messages: [ChatMessage]
    /// Empty for a text-only model, which ignores the row's images.
    var images: [[UInt8]]

    /// - Parameter stamps: see ``ImageRoot/read(_:stamps:)``.
    init(
        _ messages: [ChatMessage], _ images: [RowImage], root: ImageRoot, policy: Policy,
        stamps: inout [ImageStamp]
    ) throws(RowFailure) {
        self.messages = Self.usual(messages, images: policy.takesImages ? images.count : 0, policy)
        self.images = policy.takesImages ? try root.read(images, stamps: &stamps) : []
    }

    /// The messages in the form that gives the same text with the least, so that the key of a pair does not depend on
    /// how its row is written: without the policy's own system prompt, and without places of images that the model
    /// ignores, or that are where images are without any place.
    private static func usual(_ messages: [ChatMessage], images: Int, _ policy: Policy) -> [ChatMessage] {
        var messages = messages
        if let system = policy.options.system, let first = messages.first, first.role == .system,
            first.content == [.text(system)]
        {
            messages.removeFirst()
        }
        let places = messages.reduce(0) { $0 + $1.content.count { $0 == .image } }
        if !policy.takesImages {
            for index in messages.indices { messages[index].content.removeAll { $0 == .image } }
        } else if places > 0, places == images, let first = messages.firstIndex(where: { $0.role == .user }),
            messages[first].content.prefix(images).count(where: { $0 == .image }) == images,
            !messages.contains(where: \.hasMarks)
        {
            messages[first].content.removeFirst(images)
        }
        return messages
    }
}

extension ChatMessage {
    /// Whether a text contains the mark of an image.
    var hasMarks: Bool {
        content.contains { part in
            guard case .text(let text) = part else { return false }
            return text.contains(Self.imageMark)
        }
    }
}

/// A pair as a policy reads it.
struct PolicyRow: Sendable {
    var record: PairRecord
    var prompt: PolicyPrompt

    init(
        _ row: RawRow, names: FieldNames, root: ImageRoot, policy: Policy, stamps: inout [ImageStamp]
    ) throws(RowFailure) {
        record = try RowFailure.parsing { () throws(Rejection) in
            try PairRecord(row, names: names, takesImage: policy.takesImages)
        }
        guard let messages = record.messages else {
            throw .row(Rejection(.missingField, "the field \(names.description(.question)) is missing"))
        }
        prompt = try PolicyPrompt(messages, record.images, root: root, policy: policy, stamps: &stamps)
    }

    /// The key of the pair's reference log-probabilities.
    var key: String {
        ReferenceEntry.key(
            images: prompt.images, messages: prompt.messages, chosen: record.chosen, rejected: record.rejected)
    }

    func pair(images: [ImageSource]) -> PreferencePair {
        PreferencePair(
            images: images, messages: prompt.messages, chosen: record.chosen, rejected: record.rejected)
    }
}
