import DamaSupport

/// What COCO's annotation files say of images: the categories of the objects in them, and their captions.
///
/// The files are read as streams: memory is that of what is kept, not of the files. Source of the format:
/// https://cocodataset.org/#format-data.
struct CocoImages {
    /// An image.
    struct Image: Equatable {
        /// The name of its file: `COCO_val2014_000000000042.jpg`.
        var file: String?
        /// Each category once, in the order of the first annotation.
        var categories: [String] = []
        var captions: [String] = []
    }

    private(set) var images: [Int: Image] = [:]
    /// The images to keep; `nil` for all.
    private let wanted: Set<Int>?

    init(wanted: Set<Int>?) { self.wanted = wanted }

    /// The image ids in ascending order.
    var ids: [Int] { images.keys.sorted() }

    private func wants(_ id: Int) -> Bool { wanted?.contains(id) ?? true }

    /// Adds the categories of a file of instances (`instances_val2014.json`).
    ///
    /// - Throws: ``DamaError/Code/model`` naming the byte at which the file is not as it should be, and for an object
    ///   of a category that the file does not name.
    mutating func addInstances(_ source: any ByteSource, name: String) throws(DamaError) {
        // The names of the categories stand after the annotations.
        var found: [Int: [Int]] = [:]
        var names: [Int: String] = [:]
        try read(source, name: name) { stream, key, images throws(DamaError) in
            switch key {
            case "annotations":
                try stream.array { stream throws(DamaError) in
                    let (image, category) = try stream.integers("image_id", "category_id", in: name)
                    guard images.wants(image) else { return }
                    if !found[image, default: []].contains(category) { found[image, default: []].append(category) }
                }
            case "categories":
                try stream.array { stream throws(DamaError) in
                    let (id, category) = try stream.integerAndText("id", "name", in: name)
                    names[id] = category
                }
            default: break
            }
        }
        for (image, categories) in found {
            for category in categories {
                guard let text = names[category] else {
                    throw .model(
                        "\(name): the image \(image) has an object of the category \(category), which has no name")
                }
                let isThere = images[image]?.categories.contains { $0.hasSameBytes(as: text) } ?? false
                if !isThere { images[image, default: Image()].categories.append(text) }
            }
        }
    }

    /// Adds the captions of a file of captions (`captions_val2014.json`).
    mutating func addCaptions(_ source: any ByteSource, name: String) throws(DamaError) {
        try read(source, name: name) { stream, key, images throws(DamaError) in
            guard key == "annotations" else { return }
            try stream.array { stream throws(DamaError) in
                let (image, caption) = try stream.integerAndText("image_id", "caption", in: name)
                if images.wants(image) { images.images[image, default: Image()].captions.append(caption) }
            }
        }
    }

    /// Reads the images of a file, and passes its other members on.
    private mutating func read(
        _ source: any ByteSource, name: String,
        _ member: (inout JSONStream, String, inout CocoImages) throws(DamaError) -> Void
    ) throws(DamaError) {
        var stream = JSONStream(source, name: name)
        var keys: [String] = []
        try stream.object { stream, key throws(DamaError) in
            // A reader of the whole file would take the last one, and this one would add both.
            guard !keys.contains(where: { $0.hasSameBytes(as: key) }) else {
                throw .model("\(name) has two members \(quoted(key))")
            }
            keys.append(key)
            guard key == "images" else { return try member(&stream, key, &self) }
            try stream.array { stream throws(DamaError) in
                let (id, file) = try stream.integerAndText("id", "file_name", in: name)
                if wants(id) { images[id, default: Image()].file = file }
            }
        }
        try stream.end()
        for key in ["images", "annotations"] where !keys.contains(key) {
            throw .model("\(name) has no member \"\(key)\"; is it one of COCO's annotation files?")
        }
    }
}

extension JSONStream {
    /// Reads an object and returns two of its members.
    fileprivate mutating func integers(
        _ first: String, _ second: String, in name: String
    ) throws(DamaError) -> (Int, Int) {
        let start = offset
        var values: (Int?, Int?)
        try object { stream, key throws(DamaError) in
            if key == first {
                values.0 = try stream.integer()
            } else if key == second {
                values.1 = try stream.integer()
            }
        }
        guard let one = values.0, let other = values.1 else {
            throw .model("\(name): the object before byte \(offset) (from \(start)) lacks \(first) or \(second)")
        }
        return (one, other)
    }

    fileprivate mutating func integerAndText(
        _ first: String, _ second: String, in name: String
    ) throws(DamaError) -> (Int, String) {
        let start = offset
        var values: (Int?, String?)
        try object { stream, key throws(DamaError) in
            if key == first {
                values.0 = try stream.integer()
            } else if key == second {
                values.1 = try stream.string(limit: 1 << 16)
            }
        }
        guard let one = values.0, let other = values.1 else {
            throw .model("\(name): the object before byte \(offset) (from \(start)) lacks \(first) or \(second)")
        }
        return (one, other)
    }
}
