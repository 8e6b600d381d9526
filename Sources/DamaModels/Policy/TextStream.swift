import DamaText

/// Tokens as they come, to text as it becomes certain: whole characters, and nothing that a stop string may still take
/// back.
struct TextStream {
    /// Everything given out so far.
    private(set) var text = ""
    private var decoder: StreamingDecoder
    private let stop: [[UInt8]]
    /// Decoded, but perhaps the beginning of a stop string.
    private var held: [UInt8] = []
    /// Whether a stop string has come up.
    private(set) var isStopped = false

    init(_ tokenizer: Tokenizer, stop: [String]) {
        decoder = StreamingDecoder(tokenizer)
        self.stop = stop.map { Array($0.utf8) }
    }

    /// The text that one more token makes certain, and whether a stop string has come up.
    mutating func push(_ token: Int32) -> (text: String, isStopped: Bool) {
        held += Array(decoder.push(token).utf8)
        return (release(isLast: false), isStopped)
    }

    /// What was still held back.
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
