import CDama
import Dama

/// The scorer of a caller's handle.
func scorer(_ handle: OpaquePointer?) throws -> Scorer {
    guard let handle else { throw DamaError.invalidArgument("scorer is NULL") }
    return Unmanaged<Scorer>.fromOpaque(UnsafeRawPointer(handle)).takeUnretainedValue()
}

// MARK: - Options

private func defaults() -> dama_scorer_options {
    var options = dama_scorer_options()
    options.max_image_pixels = UInt64(Scorer.Options().maximumImagePixels)
    options.long_texts = DAMA_LONG_TEXTS_REFUSE
    return options
}

@c @implementation
public func dama_scorer_options_init_sized(_ options: UnsafeMutablePointer<dama_scorer_options>?, _ size: Int) {
    initStruct(options, size, defaults())
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
        if let precision { options.precision = try Precision.named(String(cString: precision)) }
        if let onnxruntime { options.runtimePath = String(cString: onnxruntime) }
        switch long_texts {
        case DAMA_LONG_TEXTS_REFUSE: options.longTexts = .refuse
        case DAMA_LONG_TEXTS_CUT: options.longTexts = .cut
        default: throw DamaError.invalidArgument("long_texts \(long_texts.rawValue) is unknown")
        }
        options.imageDecoding = ImageDecoding(ignoreOrientation: ignore_orientation, dropAlpha: drop_alpha)
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
            settings = try readStruct(options, "options", defaults: defaults())
        }
        let scorer = try Scorer(directory: directory, options: settings.swift())
        out.pointee = OpaquePointer(Unmanaged.passRetained(scorer).toOpaque())
    }
}

@c @implementation
public func dama_scorer_free(_ scorer: OpaquePointer?) {
    release(scorer, Scorer.self)
}

@c @implementation
public func dama_scorer_facts_init_sized(_ facts: UnsafeMutablePointer<dama_scorer_facts>?, _ size: Int) {
    initStruct(facts, size, dama_scorer_facts())
}

@c @implementation
public func dama_scorer_describe(
    _ handle: OpaquePointer?, _ facts: UnsafeMutablePointer<dama_scorer_facts>?
) -> dama_status {
    guarded {
        let scorer = try scorer(handle)
        let facts = try require(facts, "facts")
        let value = dama_scorer_facts(
            struct_size: 0, dimension: UInt32(clamping: scorer.dimension),
            max_tokens: UInt32(clamping: scorer.encoder.tokenLimit), logit_scale: scorer.logitScale)
        try writeStruct(value, to: facts, "facts")
    }
}

// MARK: - Scores and embeddings

@c @implementation
public func dama_scorer_score(
    _ handle: OpaquePointer?, _ image: UnsafePointer<dama_image>?,
    _ sentences: UnsafePointer<UnsafePointer<CChar>?>?, _ count: Int, _ scores: UnsafeMutablePointer<Float>?,
    _ cancellation: OpaquePointer?
) -> dama_status {
    guarded {
        let scorer = try scorer(handle)
        let image = try require(image, "image").pointee.swift("image")
        let sentences = try strings(sentences, count, "sentences")
        let target = try buffer(scores, count, "scores")
        let run = try Cancellation.run(cancellation, scorer.makeRunOptions)
        fill(target, with: try scorer.score(image: image, sentences: sentences, run: run))
    }
}

@c @implementation
public func dama_scorer_embed_images(
    _ handle: OpaquePointer?, _ images: UnsafePointer<dama_image>?, _ count: Int,
    _ embeddings: UnsafeMutablePointer<Float>?, _ capacity: Int, _ cancellation: OpaquePointer?
) -> dama_status {
    guarded {
        let scorer = try scorer(handle)
        let images = try buffer(images, count, "images")
        let target = try room(embeddings, capacity, count, scorer.dimension)
        let swift = try images.enumerated().map { try $1.swift("images[\($0)]") }
        let run = try Cancellation.run(cancellation, scorer.makeRunOptions)
        fill(target, with: try scorer.embedImages(swift, run: run).flatMap { $0 })
    }
}

@c @implementation
public func dama_scorer_embed_texts(
    _ handle: OpaquePointer?, _ texts: UnsafePointer<UnsafePointer<CChar>?>?, _ count: Int,
    _ embeddings: UnsafeMutablePointer<Float>?, _ capacity: Int, _ cancellation: OpaquePointer?
) -> dama_status {
    guarded {
        let scorer = try scorer(handle)
        let texts = try strings(texts, count, "texts")
        let target = try room(embeddings, capacity, count, scorer.dimension)
        let run = try Cancellation.run(cancellation, scorer.makeRunOptions)
        fill(target, with: try scorer.embedTexts(texts, run: run).flatMap { $0 })
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
            "embeddings has room for \(capacity) numbers; \(count) embeddings of \(dimension) numbers need more")
    }
    return target
}

/// Copies numbers to a buffer with room for them. An empty buffer has no memory.
private func fill(_ target: UnsafeMutableBufferPointer<Float>, with numbers: [Float]) {
    if !numbers.isEmpty { _ = target.update(fromContentsOf: numbers) }
}
