import DamaSupport

/// Lists of objects that a judge has made before, in place of a judge.
///
/// They are taken from the official script's result (`{"sentences": [{"image_id", "words"}, …]}`), or from rows with
/// `image_id` and one of: `objs`, the words that the script has read from a list; `extract_objs`, the list.
struct ReadyObjects: Sendable {
    enum Objects: Equatable, Sendable {
        /// Words as the script reads them.
        case read([String])
        /// A judge's list.
        case listed([String])
    }

    private var lists: [Int: Objects] = [:]

    /// Whether no list is left to be read.
    var areRead: Bool {
        lists.values.allSatisfy { if case .read = $0 { true } else { false } }
    }

    /// - Throws: ``DamaError/Code/invalidArgument`` naming a row that is not as above, and for an image with two lists.
    init(_ path: String) throws(DamaError) {
        var values = try JudgeAnswerFile.values(path)
        if values.count == 1, let sentences = values.first?["sentences"]?.array { values = sentences }
        for (position, row) in values.enumerated() {
            guard let id = row["image_id"]?.int ?? row["image_id"]?.string.flatMap({ Int($0) }) else {
                throw .invalidArgument("\(path): row \(position + 1) has no image_id")
            }
            let read = row["objs"] ?? row["words"]
            guard let list = read ?? row["extract_objs"] else {
                throw .invalidArgument("\(path): row \(position + 1) has none of words, objs and extract_objs")
            }
            // The script writes a string where no list was found.
            guard let entries = list.array else { continue }
            let texts = entries.compactMap(\.string)
            guard texts.count == entries.count else {
                throw .invalidArgument("\(path): the list of row \(position + 1) holds more than strings")
            }
            guard lists.updateValue(read == nil ? .listed(texts) : .read(texts), forKey: id) == nil else {
                throw .invalidArgument("\(path): the image \(id) has two lists")
            }
        }
    }

    /// The list of an image; `nil` if it has none.
    subscript(image: Int) -> Objects? { lists[image] }
}
