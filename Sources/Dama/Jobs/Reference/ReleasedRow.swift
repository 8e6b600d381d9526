import DamaModels
import DamaSupport

/// A row as the authors' trainer reads it: all fields of the dataset, `logps`, and `chosen_logits` and
/// `rejected_logits`, the probabilities of the sub-sentences.
///
/// Source: `RLAIFVDataset` and its collator in `train_dpo.py` of injadlu/DAMA, and `muffin_inference_logp.py` of RLAIF-V.
/// The trainer takes one JSON array of such rows.
struct ReleasedRow: Sendable {
    private var members: [JSONObject.Member]

    /// The fields that this type writes.
    private static let written = ["logps", "chosen_logits", "rejected_logits"]

    /// - Parameter score: `nil` writes no `chosen_logits` and `rejected_logits`.
    /// - Throws: ``Rejection/Kind/unsupportedConversation`` for messages that are not one question, and
    ///   ``Rejection/Kind/wrongType`` for an image that is not one file: the trainer has no place for them.
    init(_ row: RawRow, _ record: PairRecord, score: SubSentenceProbabilities?) throws(Rejection) {
        guard let messages = record.messages, messages.count == 1, messages[0].role == .user else {
            throw Rejection(
                .unsupportedConversation, "the format \"released\" holds one question; the row has more messages")
        }
        guard record.images.count == 1, case .path(let path) = record.images[0] else {
            throw Rejection(
                .wrongType,
                "the format \"released\" holds one image as the path of a file; write embedded images to files")
        }
        let question = messages[0].content.compactMap { part in
            if case .text(let text) = part { text } else { nil }
        }.joined(separator: "\n")
        // The trainer itself puts "<image>\n" before the question.
        let own: [JSONObject.Member] = [
            ("idx", record.id), ("question", .string(Self.withoutMark(question))), ("chosen", .string(record.chosen)),
            ("rejected", .string(record.rejected)), ("image_path", .string(path)),
        ]
        let given = try PairRecord.object(row).object?.members ?? []
        let names = Set(own.map(\.key) + Self.written)
        members = own + given.filter { !names.contains($0.key) }
        // The trainer requires these, and does not use them.
        for key in ["origin_dataset", "origin_split"] where !members.contains(where: { $0.key == key }) {
            members.append((key, ""))
        }
        guard let score else { return }
        for (key, values) in [("chosen_logits", score.chosen), ("rejected_logits", score.rejected)] {
            members.append((key, .string(JSON.array(values.map { .double($0) }).text)))
        }
    }

    /// The row as JSON.
    ///
    /// The trainer asserts that the list of each response is as long as its tokens with the prompt, one token fewer: so
    /// zeros stand for the positions of image and prompt. Only sum and mean are used.
    ///
    /// - Parameter prefix: the tokens of image and prompt.
    func json(_ found: PairLogProbabilities, prefix: Int) -> JSON {
        let zeros = [JSON](repeating: .double(0), count: max(0, prefix - 1))
        let fields = [found.chosen, found.rejected].flatMap { response -> [JSON] in
            [
                .double(response.sum), .double(response.mean),
                .array(zeros + response.tokens.map { .double(Double($0)) }),
            ]
        }
        let logps: JSON = ["logps": .array(fields)]
        return .object(JSONObject(members + [("logps", .string(logps.text))]))
    }

    private static func withoutMark(_ question: String) -> String {
        let mark = Array("<image>".utf8)
        var bytes = Array(question.utf8)
        let isSpace: (UInt8) -> Bool = { $0 == 0x20 || (0x09...0x0D).contains($0) }
        if bytes.starts(with: mark) {
            bytes = Array(bytes.dropFirst(mark.count).drop(while: isSpace))
        } else if bytes.suffix(mark.count).elementsEqual(mark) {
            bytes.removeLast(mark.count)
            while bytes.last.map(isSpace) ?? false { bytes.removeLast() }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
