import DamaSupport

extension ImageProcessor {
    /// Reads `preprocessor_config.json` of a Hugging Face directory, or the `image_processor` of
    /// `processor_config.json`, where newer versions keep it.
    ///
    /// - Throws: ``DamaError/Code/io`` if neither exists; ``DamaError/Code/model`` for a field out of range; the
    ///   message names the field and its file. ``DamaError/Code/unsupported`` for another kind of processor or setting.
    public init(directory: String) throws(DamaError) {
        try self.init(Self.configuration(of: directory))
    }

    /// The object that describes the directory's image processor.
    static func configuration(of directory: String) throws(DamaError) -> ConfigReader {
        let own = "\(directory)/preprocessor_config.json"
        let shared = "\(directory)/processor_config.json"
        if Files.exists(own) { return try ConfigReader(path: own) }
        let config = Files.exists(shared) ? try ConfigReader(path: shared) : nil
        guard let config, config.has("image_processor") else {
            throw .io("\(directory) has no preprocessor_config.json, which says how images are prepared for the model")
        }
        return try config.nested("image_processor")
    }

    /// Reads the object of a preprocessor_config.json. `place` names it in messages.
    package init(json: JSON, place: String = "preprocessor_config.json") throws(DamaError) {
        try self.init(ConfigReader(json, place: place))
    }

    init(_ config: ConfigReader) throws(DamaError) { try self.init(config, kind: Kind(config)) }

    init(_ config: ConfigReader, kind: Kind) throws(DamaError) {
        try self.init(levelsOf: config, defaults: kind.defaults)
        resizing = try config.bool("do_resize", default: true) ? Self.resizing(config, kind: kind) : .none
        let crops = try config.bool("do_center_crop", default: crop != nil)
        crop = crops ? try Self.size(config, "crop_size") ?? crop : nil
        padsToSquare = kind == .llava ? try config.bool("do_pad", default: false) : false
    }

    /// Reads filter, rescaling and normalisation alone.
    init(levelsOf config: ConfigReader, defaults: ImageProcessor) throws(DamaError) {
        self = defaults
        try Self.refuseOtherSettings(config)
        let code = try config.int("resample", default: defaults.filter.rawValue, in: 0...5)
        filter = ResizeFilter(rawValue: code) ?? defaults.filter

        let rescales = try config.bool("do_rescale", default: true)
        rescaleFactor = rescales ? try config.double("rescale_factor", default: 1 / 255, in: 1e-9...1e9) : nil

        normalizes = try config.bool("do_normalize", default: true)
        mean = try Self.channels(config, "image_mean", default: defaults.mean) { $0.isFinite && abs($0) <= 1e6 }
        deviation = try Self.channels(config, "image_std", default: defaults.deviation) { $0 >= 1e-6 && $0 <= 1e6 }
    }

    /// The settings as JSON with all defaults filled in: two processors that do the same have the same text.
    package var settings: JSON {
        let resize: JSON =
            switch resizing {
            case .none: .null
            case .shortestEdge(let edge): ["shortest_edge": .int(Int64(edge))]
            case .exact(let size): Self.json(size)
            }
        let fields: JSONObject = [
            "pad_to_square": .bool(padsToSquare),
            "resize": resize,
            "resample": .int(Int64(filter.rawValue)),
            "crop": crop.map(Self.json) ?? .null,
            "rescale_factor": rescaleFactor.map(JSON.double) ?? .null,
            "normalize": .bool(normalizes),
            "mean": .array(mean.map(JSON.double)),
            "std": .array(deviation.map(JSON.double)),
        ]
        // Only of OpenCLIP: the settings of other directories stay what they were.
        guard cropsToEven else { return .object(fields) }
        return .object(JSONObject(fields.members + [(key: "crop_to_even", value: true)]))
    }

    // MARK: Kinds

    /// The supported processors, by their defaults for missing fields.
    enum Kind {
        /// CLIPImageProcessor, CLIPFeatureExtractor and similar ones; also if no type is named.
        case clip
        /// CLIP's, with `do_pad`.
        case llava
        /// A square without a crop, normalised to −1 … 1; bilinear.
        case vit
        /// The same, bicubic.
        case siglip

        init(_ config: ConfigReader) throws(DamaError) {
            let (key, type) = try ImageProcessor.type(config)
            switch ImageProcessor.family(type) {
            case "CLIPImageProcessor", "CLIPFeatureExtractor", "ChineseCLIPImageProcessor",
                "ChineseCLIPFeatureExtractor", "BitImageProcessor":
                self = .clip
            case "LlavaImageProcessor": self = .llava
            case "ViTImageProcessor", "ViTFeatureExtractor": self = .vit
            case "SiglipImageProcessor": self = .siglip
            default:
                throw .unsupported(
                    "\(config.place): \(key) is \"\(type)\"; supported are CLIPImageProcessor, LlavaImageProcessor,"
                        + " ViTImageProcessor and SiglipImageProcessor, also with the suffix Fast")
            }
        }

        var defaults: ImageProcessor {
            switch self {
            case .clip, .llava: return .clip()
            case .vit, .siglip:
                return ImageProcessor(
                    resizing: .exact(PixelSize(width: 224, height: 224)), filter: self == .vit ? .bilinear : .bicubic,
                    crop: nil, rescaleFactor: 1 / 255, mean: [0.5, 0.5, 0.5], deviation: [0.5, 0.5, 0.5],
                    normalizes: true)
            }
        }

        /// The meaning of `"size": 224`.
        func resizing(toNumber size: Int) -> Resizing {
            switch self {
            case .clip, .llava: .shortestEdge(size)
            case .vit, .siglip: .exact(PixelSize(width: size, height: size))
            }
        }
    }

    /// The field that names the processor's class, and its value.
    static func type(_ config: ConfigReader) throws(DamaError) -> (key: String, value: String) {
        let key = config.has("image_processor_type") ? "image_processor_type" : "feature_extractor_type"
        return (key, try config.string(key, default: "CLIPImageProcessor"))
    }

    /// The class without the suffix of its backend.
    static func family(_ type: String) -> Substring {
        var name = type[...]
        for ending in ["Pil", "Fast"] where name.hasSuffix(ending) { name = name.dropLast(ending.count) }
        return name
    }

    private static func refuseOtherSettings(_ config: ConfigReader) throws(DamaError) {
        let format = try config.string("data_format", default: "channels_first")
        guard format == "channels_first" else {
            throw .unsupported("\(config.place): data_format is \"\(format)\"; only \"channels_first\" is supported")
        }
    }

    // MARK: Fields

    static let sides = 1...4096

    static func resizing(_ config: ConfigReader, kind: Kind) throws(DamaError) -> Resizing {
        guard let value = config.json["size"] else { return kind.defaults.resizing }
        if value.int != nil { return kind.resizing(toNumber: try config.int("size", in: sides)) }
        guard value.object != nil else { return .exact(try size(config, "size") ?? PixelSize(width: 224, height: 224)) }
        let size = try config.nested("size")
        if size.has("shortest_edge"), !size.has("longest_edge") {
            return .shortestEdge(try size.int("shortest_edge", in: sides))
        }
        guard size.has("height"), size.has("width") else {
            throw .unsupported(
                "\(config.place): size is \(value.text); supported are a number, {\"shortest_edge\": n} and"
                    + " {\"height\": n, \"width\": n}")
        }
        return .exact(PixelSize(width: try size.int("width", in: sides), height: try size.int("height", in: sides)))
    }

    /// A number (a square), [height, width] or {"height", "width"}; `nil` if the field is missing.
    static func size(_ config: ConfigReader, _ key: String) throws(DamaError) -> PixelSize? {
        guard let value = config.json[key] else { return nil }
        if value.object != nil {
            let size = try config.nested(key)
            return PixelSize(width: try size.int("width", in: sides), height: try size.int("height", in: sides))
        }
        let numbers = (value.array ?? [value, value]).compactMap(\.int).filter(sides.contains)
        guard numbers.count == 2, (value.array?.count ?? 2) == 2 else {
            throw config.wrong(key, value, "a side from 1 to \(sides.upperBound), or {\"height\": n, \"width\": n}")
        }
        return PixelSize(width: numbers[1], height: numbers[0])
    }

    /// Three numbers, or one for all channels.
    private static func channels(
        _ config: ConfigReader, _ key: String, default fallback: [Double], where isRight: (Double) -> Bool
    ) throws(DamaError) -> [Double] {
        guard let value = config.json[key] else { return fallback }
        let elements = value.array ?? [value, value, value]
        let numbers = elements.compactMap(\.double).filter(isRight)
        guard numbers.count == 3, elements.count == 3 else {
            throw config.wrong(key, value, key == "image_std" ? "three numbers above 0" : "three numbers")
        }
        return numbers
    }

    static func json(_ size: PixelSize) -> JSON {
        ["height": .int(Int64(size.height)), "width": .int(Int64(size.width))]
    }
}
