import DamaJinja
import DamaSupport

extension [ChatMessage] {
    /// The conversation with one place for each image: those that its messages have, or else all at the start of the
    /// first message of the user, as in LLaVA.
    ///
    /// Marks become places. White space between a mark and the start or end of its text is dropped, and so is that
    /// at the other end: `<image>\nWhat?` is an image and "What?".
    ///
    /// - Parameters:
    ///   - count: the number of images.
    ///   - token: the model's image token, which is a mark too; `nil` for a text-only model.
    /// - Throws: ``DamaError/Code/invalidArgument`` if there are places, but not one for each image.
    func placing(images count: Int, token: String?) throws(DamaError) -> [ChatMessage] {
        let marks = [ChatMessage.imageMark] + (token.map { [$0] } ?? [])
        var messages = map { message in
            ChatMessage(message.role, message.content.flatMap { $0.split(at: marks) })
        }
        let places = messages.reduce(0) { $0 + $1.content.count { $0 == .image } }
        let mark = token ?? ChatMessage.imageMark
        guard token != nil || places == 0 else {
            throw .invalidArgument("the prompt contains \(mark), but the model takes no images")
        }
        guard places == 0 || places == count else {
            throw .invalidArgument(
                "the prompt contains \(mark) \(places) time\(places == 1 ? "" : "s"), but there "
                    + (count == 1 ? "is 1 image" : "are \(count) images")
                    + "; it must occur once for each image or not at all")
        }
        if places == 0, count > 0 {
            guard let first = messages.firstIndex(where: { $0.role == .user }) else {
                throw .invalidArgument("the prompt has no message of the user, in which the images would be")
            }
            messages[first].content.insert(contentsOf: repeatElement(.image, count: count), at: 0)
        }
        return messages
    }
}

extension ChatMessage.Part {
    /// The pieces of a text at its marks; the part itself if it has none.
    fileprivate func split(at marks: [String]) -> [ChatMessage.Part] {
        guard case .text(let text) = self else { return [self] }
        let bytes = Array(text.utf8)
        let marks = marks.map { Array($0.utf8) }.filter { !$0.isEmpty }
        var parts: [ChatMessage.Part] = []
        var (start, place) = (0, 0)
        while place < bytes.count {
            guard let mark = marks.first(where: { $0[0] == bytes[place] && bytes[place...].starts(with: $0) }) else {
                place += 1
                continue
            }
            if start < place { parts.append(.text(String(decoding: bytes[start..<place], as: UTF8.self))) }
            parts.append(.image)
            place += mark.count
            start = place
        }
        guard !parts.isEmpty else { return [self] }
        if start < bytes.count { parts.append(.text(String(decoding: bytes[start...], as: UTF8.self))) }
        return Self.trimmed(Self.trimmed(parts, left: true).reversed(), left: false).reversed()
    }

    /// The parts without the white space before the first word, or after the last one of reversed parts.
    private static func trimmed(_ parts: [ChatMessage.Part], left: Bool) -> [ChatMessage.Part] {
        var isDone = false
        return parts.compactMap { part in
            guard !isDone, case .text(let text) = part else { return part }
            let rest = Text(text).trimmed(left: left, right: !left)
            isDone = !rest.isEmpty
            return rest.isEmpty ? nil : .text(rest.string)
        }
    }
}
