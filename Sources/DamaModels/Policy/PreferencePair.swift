import DamaImage

/// A conversation with the preferred and the other answer to its last message.
public struct PreferencePair: Sendable {
    /// The images in the order of their places; empty for a text-only model.
    public var images: [ImageSource]
    /// The messages before the answer: an optional system prompt, questions, and answers to all but the last.
    public var messages: [ChatMessage]
    public var chosen: String
    public var rejected: String

    public init(images: [ImageSource], messages: [ChatMessage], chosen: String, rejected: String) {
        self.images = images
        self.messages = messages
        self.chosen = chosen
        self.rejected = rejected
    }

    /// - Parameter prompt: one question; see ``ChatMessage/init(_:_:)-(_,String)``.
    public init(images: [ImageSource], prompt: String, chosen: String, rejected: String) {
        self.init(images: images, messages: [ChatMessage(.user, prompt)], chosen: chosen, rejected: rejected)
    }

    /// - Parameter image: `nil` for a text-only model.
    public init(image: ImageSource? = nil, prompt: String, chosen: String, rejected: String) {
        self.init(images: image.map { [$0] } ?? [], prompt: prompt, chosen: chosen, rejected: rejected)
    }

    /// The first image; setting it makes it the only one.
    public var image: ImageSource? {
        get { images.first }
        set { images = newValue.map { [$0] } ?? [] }
    }

    /// The text of the last message; setting it makes it the only one, of the user.
    public var prompt: String {
        get { messages.last?.text ?? "" }
        set { messages = [ChatMessage(.user, newValue)] }
    }
}

/// A conversation to answer.
public struct GenerationRequest: Sendable {
    /// The images in the order of their places; empty for a text-only model.
    public var images: [ImageSource]
    /// The messages before the answer: an optional system prompt, questions, and answers to all but the last.
    public var messages: [ChatMessage]

    public init(images: [ImageSource], messages: [ChatMessage]) {
        self.images = images
        self.messages = messages
    }

    /// - Parameter prompt: one question; see ``ChatMessage/init(_:_:)-(_,String)``.
    public init(images: [ImageSource], prompt: String) {
        self.init(images: images, messages: [ChatMessage(.user, prompt)])
    }

    /// - Parameter image: `nil` for a text-only model.
    public init(image: ImageSource? = nil, prompt: String) {
        self.init(images: image.map { [$0] } ?? [], prompt: prompt)
    }
}
