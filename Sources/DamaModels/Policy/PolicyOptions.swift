import DamaImage
import DamaRuntime
import DamaSupport

/// How a policy is opened and how its inputs are laid out.
public struct PolicyOptions: Sendable {
    /// How an image becomes the square that the vision tower takes.
    public enum ImageMode: String, CaseIterable, Sendable {
        /// As the model's files say: `do_pad` of its processor, or `image_aspect_ratio` in LLaVA's original layout.
        case checkpoint
        /// The shorter side is scaled and the centre cropped, as Hugging Face's processor does.
        case crop
        /// The image is first padded to a square with the mean colour, as the original LLaVA trainer does.
        case pad

        /// Whether images are padded, if `files` tells it for ``checkpoint``.
        func padsToSquare(files: () throws(DamaError) -> Bool) throws(DamaError) -> Bool {
            switch self {
            case .checkpoint: try files()
            case .crop: false
            case .pad: true
            }
        }
    }

    /// What happens to a sequence longer than ``PolicyOptions/maximumLength``.
    public enum Overlong: String, CaseIterable, Sendable {
        /// The call throws an error that names the lengths.
        case error
        /// The end of the response is cut off, and the result records it. Prompt and image are never cut.
        case cut
    }

    /// The path of ONNX Runtime's library; `nil` searches the usual places.
    public var runtimePath: String?
    /// Threads of ONNX Runtime's pool, if this is the first use of the runtime in the process; 0 is one for each core.
    public var threads = 0
    public var device: Device = .cpu
    /// `nil` is float32 on the CPU and bfloat16 on CUDA. The CPU takes float32 and float16.
    public var precision: Precision?
    /// A name, a text with places or the path of a file; see ``ChatTemplate/init(_:)``.
    ///
    /// `nil` uses the directory's own chat template, and it is an error if there is none. ``Policy/template`` is the
    /// template in use.
    public var template: String?
    /// What a template that asks for today's date gets, as `2026-01-31`, so that texts do not depend on the day of a
    /// run. The default is the day that the templates of Llama 3.2 write where they have no clock.
    public var templateDate = "2024-07-26"
    /// The system prompt of conversations that have none, empty for none; `nil` leaves it to the template.
    public var system: String?
    public var imageMode: ImageMode = .checkpoint
    /// The directory of the vision tower, for a model in LLaVA's original layout, which keeps it apart; `nil` uses
    /// `mm_vision_tower` of config.json. Other models ignore it.
    public var visionTower: String?
    /// The most tokens of image, prompt and one response together; `nil` is the model's number of positions.
    public var maximumLength: Int?
    public var overlong: Overlong = .error
    /// The most tokens, padding included, of one batch; a single longer sequence is a batch of its own.
    public var tokenBudget = 8192
    /// Whether both responses of a pair share one prefix. Otherwise each is a sequence of its own, which is slower and
    /// gives the same values up to rounding.
    public var sharesPrefix = true
    public var imageLimits = ImageLimits()
    /// Orientation and transparency of image files.
    public var imageDecoding = ImageDecoding()

    public init() {}
}
