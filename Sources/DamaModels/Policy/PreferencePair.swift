import DamaImage

/// A question about images, with the preferred and the other answer.
public struct PreferencePair: Sendable {
    /// The images in the order of the prompt; empty for a text-only model.
    public var images: [ImageSource]
    public var prompt: String
    public var chosen: String
    public var rejected: String

    public init(images: [ImageSource], prompt: String, chosen: String, rejected: String) {
        self.images = images
        self.prompt = prompt
        self.chosen = chosen
        self.rejected = rejected
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
}

/// A question about images to answer.
public struct GenerationRequest: Sendable {
    /// The images in the order of the prompt; empty for a text-only model.
    public var images: [ImageSource]
    public var prompt: String

    public init(images: [ImageSource], prompt: String) {
        self.images = images
        self.prompt = prompt
    }

    /// - Parameter image: `nil` for a text-only model.
    public init(image: ImageSource? = nil, prompt: String) {
        self.init(images: image.map { [$0] } ?? [], prompt: prompt)
    }
}
