import DamaImage
import DamaSupport
import Synchronization

/// An image as a policy takes it.
public struct PolicyImage: Sendable {
    /// The pixels for the vision part.
    package let prepared: PreparedImage
    /// The tokens that replace the image's place in a prompt.
    let expansion: [Int32]
    /// The number of rows of its features.
    package let featureCount: Int
    let key: ImageKey

    /// The number of tokens that the image takes in a prompt.
    public var tokenCount: Int { expansion.count }

    init(_ prepared: PreparedImage, expansion: [Int32], key: ImageKey) {
        (self.prepared, self.expansion, self.key) = (prepared, expansion, key)
        featureCount = expansion.count { $0 == TokenSequence.imagePlaceholder }
    }
}

/// Identifies an image within a batch: by its path, or by a digest of its file's bytes or its pixels.
struct ImageKey: Hashable, Sendable {
    private let content: Content

    private enum Content: Hashable, Sendable {
        case path(ExactText)
        case digest([UInt8])
    }

    init(_ image: ImageSource) {
        switch image {
        case .path(let path): content = .path(ExactText(path))
        case .bytes(let bytes): content = .digest(Self.digest("file", [bytes.count], bytes))
        case .pixels(let image): content = .digest(Self.digest("pixels", [image.width, image.height], image.pixels))
        }
    }

    private static func digest(_ kind: String, _ sizes: [Int], _ bytes: [UInt8]) -> [UInt8] {
        var hash = SHA256()
        hash.update(kind.utf8)
        for size in sizes { hash.update(UInt64(size)) }
        hash.update(bytes)
        return hash.digest
    }
}

/// The prepared images of a batch, for one policy: a repeated image is decoded once.
///
/// May be used from several threads. A thread that asks for an image in preparation waits for it.
public final class PreparedImages: Sendable {
    private final class Place: Sendable {
        let image = Mutex<PolicyImage?>(nil)
    }

    private let places = Mutex<[ImageKey: Place]>([:])

    public init() {}

    /// Forgets images that are not used again.
    func remove(_ images: [ImageKey]) {
        places.withLock { places in
            for image in images { places[image] = nil }
        }
    }

    /// The prepared image of `source`. `prepare` is called for a new one.
    ///
    /// - Parameter key: the source's key, if it is known.
    func image(
        _ source: ImageSource, _ key: ImageKey? = nil,
        prepare: (ImageSource) throws(DamaError) -> (image: PreparedImage, expansion: [Int32])
    ) throws(DamaError) -> PolicyImage {
        let key = key ?? ImageKey(source)
        let place = places.withLock { places in
            if let known = places[key] { return known }
            let place = Place()
            places[key] = place
            return place
        }
        return try place.image.withLock { known throws(DamaError) in
            if let known { return known }
            let (image, expansion) = try prepare(source)
            let found = PolicyImage(image, expansion: expansion, key: key)
            known = found
            return found
        }
    }
}

/// The image features of a batch, for one vision part: each image is encoded once.
package struct ImageFeatures {
    private var known: [ImageKey: FeatureRows] = [:]

    package init() {}

    /// Encodes those of the images that are new, all at once.
    mutating func add(
        _ images: [PolicyImage], encode: ([PreparedImage]) throws(DamaError) -> [FeatureRows]
    ) throws(DamaError) {
        var (seen, new): (Set<ImageKey>, [PolicyImage]) = ([], [])
        for image in images where known[image.key] == nil && seen.insert(image.key).inserted { new.append(image) }
        guard !new.isEmpty else { return }
        let found = try encode(new.map(\.prepared))
        guard found.count == new.count else {
            throw .internal("the vision part returned features of \(found.count) of \(new.count) images")
        }
        for (image, features) in zip(new, found) { known[image.key] = features }
    }

    /// The features of an item's images, concatenated: [placeholders of all images, hidden]. All were added.
    func of(_ images: [PolicyImage]) throws(DamaError) -> FeatureRows {
        var features = FeatureRows()
        for image in images {
            guard let found = known[image.key] else { throw .internal("an image has no features") }
            features = features + found
        }
        return features
    }

    /// Forgets images that are not used again.
    mutating func remove(_ images: [ImageKey]) {
        for image in images { known[image] = nil }
    }
}

/// How often each image of a list of pairs is still to be used.
struct ImageUses: Sendable {
    private var left: [ImageKey: Int] = [:]

    /// - Parameter images: those of each pair.
    init(_ images: [[ImageKey]]) {
        for image in images.joined() { left[image, default: 0] += 1 }
    }

    /// Counts uses of images. Returns those that are not used again.
    mutating func finish(_ images: [[ImageKey]]) -> [ImageKey] {
        var ended: [ImageKey] = []
        for image in images.joined() {
            guard let count = left[image] else { continue }
            left[image] = count > 1 ? count - 1 : nil
            if count == 1 { ended.append(image) }
        }
        return ended
    }
}
