import CDama
import Dama

/// The scorer behind a caller's handle.
func scorer(_ handle: OpaquePointer?) throws -> Scorer {
    guard let handle else { throw DamaError.invalidArgument("scorer is NULL") }
    return Unmanaged<Scorer>.fromOpaque(UnsafeRawPointer(handle)).takeUnretainedValue()
}

// MARK: - Options

private func defaults() -> dama_scorer_options {
    var options = dama_scorer_options()
    options.struct_size = UInt32(MemoryLayout<dama_scorer_options>.size)
    options.max_image_pixels = UInt64(Scorer.Options().maximumImagePixels)
    options.long_texts = DAMA_LONG_TEXTS_REFUSE
    return options
}

@c @implementation
public func dama_scorer_options_init(_ options: UnsafeMutablePointer<dama_scorer_options>?) {
    options?.pointee = defaults()
}

extension dama_scorer_options {
    fileprivate func swift() throws -> Scorer.Options {
        var options = Scorer.Options()
        options.threads = Int(threads)
        guard let pixels = Int(exactly: max_image_pixels) else {
            throw DamaError.invalidArgument("max_image_pixels is \(max_image_pixels); it must be below 2^40")
        }
        options.maximumImagePixels = pixels
        if let provider { options.device = try Device(String(cString: provider)) }
        if let onnxruntime { options.runtimePath = String(cString: onnxruntime) }
        switch long_texts {
        case DAMA_LONG_TEXTS_REFUSE: options.longTexts = .refuse
        case DAMA_LONG_TEXTS_CUT: options.longTexts = .cut
        default: throw DamaError.invalidArgument("long_texts \(long_texts.rawValue) is unknown")
        }
        options.logitScale = logit_scale == 0 ? nil : logit_scale
        return options
    }
}

// MARK: - Handle

@c @implementation
public func dama_scorer_create(
    _ out: UnsafeMutablePointer<OpaquePointer?>?, _ directory: UnsafePointer<CChar>?,
    _ options: UnsafePointer<dama_scorer_options>?
) -> dama_status {
    guarded {
        let out = try require(out, "out")
        let directory = try string(directory, "model_dir")
        var settings = defaults()
        if let options {
            settings = try readStruct(
                options, "options", minimum: MemoryLayout<dama_scorer_options>.size, defaults: defaults(),
                initializer: "dama_scorer_options_init()")
        }
        let scorer = try Scorer(directory: directory, options: settings.swift())
        out.pointee = OpaquePointer(Unmanaged.passRetained(scorer).toOpaque())
    }
}

@c @implementation
public func dama_scorer_free(_ scorer: OpaquePointer?) {
    if let scorer { Unmanaged<Scorer>.fromOpaque(UnsafeRawPointer(scorer)).release() }
}

@c @implementation
public func dama_scorer_info(
    _ handle: OpaquePointer?, _ dimension: UnsafeMutablePointer<Int>?, _ logitScale: UnsafeMutablePointer<Float>?
) -> dama_status {
    guarded {
        let scorer = try scorer(handle)
        dimension?.pointee = scorer.dimension
        logitScale?.pointee = scorer.logitScale
    }
}

// MARK: - Scores and embeddings

@c @implementation
public func dama_scorer_score(
    _ handle: OpaquePointer?, _ image: UnsafePointer<dama_image>?,
    _ sentences: UnsafePointer<UnsafePointer<CChar>?>?, _ count: Int, _ scores: UnsafeMutablePointer<Float>?
) -> dama_status {
    guarded {
        let scorer = try scorer(handle)
        let image = try require(image, "image").pointee.swift("image")
        let sentences = try strings(sentences, count, "sentences")
        let target = try buffer(scores, count, "scores")
        _ = target.update(fromContentsOf: try scorer.score(image: image, sentences: sentences))
    }
}

@c @implementation
public func dama_scorer_embed_images(
    _ handle: OpaquePointer?, _ images: UnsafePointer<dama_image>?, _ count: Int,
    _ embeddings: UnsafeMutablePointer<Float>?, _ capacity: Int
) -> dama_status {
    guarded {
        let scorer = try scorer(handle)
        let images = try buffer(images, count, "images")
        let target = try room(embeddings, capacity, count, scorer.dimension)
        let swift = try images.enumerated().map { try $1.swift("images[\($0)]") }
        _ = target.update(fromContentsOf: try scorer.embedImages(swift).flatMap { $0 })
    }
}

@c @implementation
public func dama_scorer_embed_texts(
    _ handle: OpaquePointer?, _ texts: UnsafePointer<UnsafePointer<CChar>?>?, _ count: Int,
    _ embeddings: UnsafeMutablePointer<Float>?, _ capacity: Int
) -> dama_status {
    guarded {
        let scorer = try scorer(handle)
        let texts = try strings(texts, count, "texts")
        let target = try room(embeddings, capacity, count, scorer.dimension)
        _ = target.update(fromContentsOf: try scorer.embedTexts(texts).flatMap { $0 })
    }
}

/// The caller's memory for `count` embeddings.
private func room(
    _ embeddings: UnsafeMutablePointer<Float>?, _ capacity: Int, _ count: Int, _ dimension: Int
) throws -> UnsafeMutableBufferPointer<Float> {
    let target = try buffer(embeddings, capacity, "embeddings")
    let (needed, overflow) = count.multipliedReportingOverflow(by: dimension)
    guard !overflow, needed <= capacity else {
        throw DamaError.shapeMismatch(
            "embeddings has room for \(capacity) numbers; \(count) embeddings of \(dimension) were asked for")
    }
    return target
}

private func strings(_ pointers: UnsafePointer<UnsafePointer<CChar>?>?, _ count: Int, _ name: String) throws -> [String] {
    try buffer(pointers, count, name).enumerated().map { try string($1, "\(name)[\($0)]") }
}

extension dama_image {
    fileprivate func swift(_ name: String) throws -> Scorer.Image {
        switch (path, bytes, rgb) {
        case (let path?, nil, nil): return .path(String(cString: path))
        case (nil, let bytes?, nil): return .bytes(Array(try buffer(bytes, size, "\(name).bytes")))
        case (nil, nil, let rgb?):
            // One side's limit keeps the product of the three from overflowing.
            guard (1...(1 << 24)).contains(height), (1...(1 << 24)).contains(width) else {
                throw DamaError.invalidArgument(
                    "\(name) has \(height) × \(width) pixels; each side must be from 1 to 2^24")
            }
            let pixels = Array(try buffer(rgb, 3 * height * width, "\(name).rgb"))
            return .pixels(try RGBImage(width: width, height: height, pixels: pixels))
        default:
            throw DamaError.invalidArgument("\(name) must have exactly one of path, bytes and rgb")
        }
    }
}
