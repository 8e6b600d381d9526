import DamaImage
import DamaRuntime

/// How a policy is opened and how its inputs are laid out.
public struct PolicyOptions: Sendable {
    /// How an image is brought to the vision tower's square.
    public enum ImageMode: String, CaseIterable, Sendable {
        /// Scale the shorter side, cut the middle out: Hugging Face's processor.
        case crop
        /// Set it in a square of the mean colour first: the original LLaVA trainer.
        case pad
    }

    /// What happens to a sequence over ``PolicyOptions/maximumLength``.
    public enum Overlong: String, CaseIterable, Sendable {
        /// It is an error that names the lengths.
        case error
        /// The end of the response is cut off, and the result says so. Prompt and image are never cut.
        case cut
    }

    /// Path of ONNX Runtime's library; `nil` looks in the usual places.
    public var runtimePath: String?
    /// Threads of ONNX Runtime's pool, where this is the process's first use of it; 0 is one for each core.
    public var threads = 0
    public var device: Device = .cpu
    /// A name or a text for ``PromptTemplate/named(_:endToken:)``.
    ///
    /// `nil` takes the directory's own chat template if it is a known one (``KnownTemplates``). A missing or unknown
    /// template is an error. ``Policy/template`` says which one was taken.
    public var template: String?
    /// The system prompt, empty for none; `nil` takes the template's own.
    public var system: String?
    public var imageMode: ImageMode = .crop
    /// The most tokens of image, prompt and one response together; `nil` takes the model's positions.
    public var maximumLength: Int?
    public var overlong: Overlong = .error
    /// The most tokens, padding included, of one batch; a single longer sequence is a batch of its own.
    public var tokenBudget = 8192
    /// Both responses of a pair behind one prefix. Without it each is a sequence of its own: slower, the same numbers.
    public var sharesPrefix = true
    public var imageLimits = ImageLimits()
    /// Orientation and transparency of image files.
    public var imageDecoding = ImageDecoding()

    public init() {}
}
