import DamaSupport
import DamaWords

/// Answers as they stand in the files that the official scripts read, and in this library's own.
enum ObjectAnswer {
    /// The id of the image that a row is about; `nil` if the row has none.
    static func image(_ row: JSON, _ names: [String]) throws(BadAnswer) -> JSON? {
        for name in names {
            guard let id = row[name] else { continue }
            guard let text = id.string else { return id }
            // Python's int() reads "000042" as 42.
            return Int(text).map { .int(Int64($0)) } ?? id
        }
        return nil
    }

    /// A caption as it stands, which is how CHAIR's files hold it, or an answer without the name of its speaker.
    static func text(_ row: JSON) throws(BadAnswer) -> String {
        if let caption = row["caption"] {
            guard let text = caption.string else { throw BadAnswer(.wrongType, "\"caption\" is not a string") }
            return text
        }
        return withoutSpeaker(try row.text(of: ["response", "text", "answer"])).pythonStripped
    }

    private static func withoutSpeaker(_ text: String) -> String {
        let speaker = Array("Assistant:".utf8)
        var (bytes, rest) = ([UInt8](), Array(text.utf8)[...])
        while let byte = rest.first {
            if byte == speaker[0], rest.starts(with: speaker) {
                rest = rest.dropFirst(speaker.count)
            } else {
                bytes.append(byte)
                rest.removeFirst()
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The rows of a file `{"overall": …, "imgToEval": {…}}`, which evaluation tools for captions write.
    static func rows(of object: JSONObject) -> [JSON]? {
        object["imgToEval"]?.object?.members.map(\.value)
    }
}
