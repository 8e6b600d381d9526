import DamaText

/// Turns tokens into text as soon as the text is final: whole characters that cannot be the start of a stop string.
struct TextStream {
    /// All text released so far.
    private(set) var text = ""
    private var decoder: StreamingDecoder
    private let stop: [[UInt8]]
    /// Decoded text that may be the start of a stop string.
    private var held: [UInt8] = []
    /// Whether the text contained a stop string.
    private(set) var isStopped = false

    init(_ tokenizer: Tokenizer, stop: [String]) {
        decoder = StreamingDecoder(tokenizer)
        self.stop = stop.map { Array($0.utf8) }
    }

    /// The text that is final after one more token, and whether a stop string occurred.
    mutating func push(_ token: Int32) -> (text: String, isStopped: Bool) {
        held += Array(decoder.push(token).utf8)
        return (release(isLast: false), isStopped)
    }

    /// The remaining text, which was held back.
    mutating func finish() -> String {
        guard !isStopped else { return "" }
        held += Array(decoder.finish().utf8)
        return release(isLast: true)
    }

    private mutating func release(isLast: Bool) -> String {
        guard !isStopped else { return "" }
        var end = held.count
        search: for start in held.indices {
            let rest = held[start...]
            for text in stop {
                if rest.starts(with: text) {
                    isStopped = true
                    end = start
                    break search
                }
                if !isLast, text.starts(with: rest) {
                    end = start
                    break search
                }
            }
        }
        let released = String(decoding: held[..<end], as: UTF8.self)
        held.removeFirst(end)
        text += released
        return released
    }
}
