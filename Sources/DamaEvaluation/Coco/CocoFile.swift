import DamaSupport

/// A file of a data folder with what COCO says of images: a line of JSON for each, in the order of their ids. It is
/// mapped into memory, and a line is read when its image is asked for.
struct CocoFile: Sendable {
    private let file: MappedFile
    private let lines: [Range<Int>]
    /// The images' ids, ascending.
    let ids: [Int]

    /// Opens a file that ``write(_:to:)`` made.
    init(path: String) throws(DamaError) {
        file = try MappedFile(path: path)
        var (lines, ids): ([Range<Int>], [Int]) = ([], [])
        var start = 0
        while start < file.bytes.count {
            let end = file.bytes[start...].firstIndex(of: UInt8(ascii: "\n")) ?? file.bytes.count
            // The id stands first in its line.
            let digits = file.bytes[start..<end].dropFirst(Self.prefix.utf8.count).prefix { $0 != UInt8(ascii: ",") }
            guard let id = Int(String(decoding: digits, as: UTF8.self)) else {
                throw .invalidArgument("\(path), line \(lines.count + 1) has no image_id; prepare the data again")
            }
            ids.append(id)
            lines.append(start..<end)
            start = end + 1
        }
        (self.lines, self.ids) = (lines, ids)
    }

    /// What COCO says of the image at a position of ``ids``.
    func image(at position: Int) throws(DamaError) -> CocoImages.Image {
        let json = try JSON(parsing: UnsafeRawBufferPointer(rebasing: file.bytes[lines[position]]))
        guard let categories = json["categories"]?.array, let captions = json["captions"]?.array else {
            throw .invalidArgument("\(file.path), line \(position + 1) lacks a member; prepare the data again")
        }
        return CocoImages.Image(
            file: json["file"]?.string, categories: categories.compactMap(\.string),
            captions: captions.compactMap(\.string))
    }

    private static let prefix = #"{"image_id":"#

    static func write(_ images: CocoImages, to path: String) throws(DamaError) {
        try Files.replace(path) { sink throws(DamaError) in
            var buffer: [UInt8] = []
            for id in images.ids {
                guard let image = images.images[id] else { continue }
                let json: JSON = [
                    "image_id": .int(Int64(id)), "file": image.file.map { .string($0) } ?? .null,
                    "categories": .array(image.categories.map { .string($0) }),
                    "captions": .array(image.captions.map { .string($0) }),
                ]
                buffer += json.text.utf8
                buffer.append(UInt8(ascii: "\n"))
                if buffer.count > 1 << 20 {
                    try sink.append(buffer)
                    buffer = []
                }
            }
            try sink.append(buffer)
        }
    }
}
