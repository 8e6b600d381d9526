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
        // The trainer itself puts "<image>\n" before the question.
        let text = ChatMessage(.user, messages[0].text)
        let question = text.hasMarks ? String(decoding: text.bareText, as: UTF8.self) : text.text
        let own: [JSONObject.Member] = [
            ("idx", record.id), ("question", .string(question)), ("chosen", .string(record.chosen)),
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
}
