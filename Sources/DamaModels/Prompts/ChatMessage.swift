import DamaSupport

/// One message of a conversation: who speaks, and texts and images in their order.
public struct ChatMessage: Equatable, Sendable {
    /// Who speaks, in the word that chat templates read.
    public struct Role: RawRepresentable, Hashable, Sendable {
        public let rawValue: String

        public init(rawValue: String) { self.rawValue = rawValue }

        public static let system = Role(rawValue: "system")
        public static let user = Role(rawValue: "user")
        public static let assistant = Role(rawValue: "assistant")
    }

    /// A piece of a message.
    public enum Part: Sendable {
        /// A text. Each ``ChatMessage/imageMark`` in it is the place of an image.
        case text(String)
        /// The place of an image.
        case image
    }

    /// What stands for an image inside a text, as in LLaVA's data.
    public static let imageMark = "<image>"

    public var role: Role
    public var content: [Part]

    public init(_ role: Role, _ content: [Part]) {
        self.role = role
        self.content = content
    }

    /// - Parameter text: a text with an ``imageMark`` at the place of each image. Without marks, the images of a
    ///   conversation come first in the first message of the user.
    public init(_ role: Role, _ text: String) { self.init(role, [.text(text)]) }

    /// The text, with an ``imageMark`` for each place of an image.
    public var text: String {
        var result = ""
        for part in content {
            switch part {
            case .text(let text): result += text
            case .image: result += Self.imageMark
            }
        }
        return result
    }
}

extension ChatMessage.Part: Equatable {
    /// Texts are equal if their bytes are: a tokenizer distinguishes what Swift's `==` does not.
    public static func == (a: Self, b: Self) -> Bool {
        switch (a, b) {
        case (.text(let a), .text(let b)): a.hasSameBytes(as: b)
        case (.image, .image): true
        default: false
        }
    }
}
