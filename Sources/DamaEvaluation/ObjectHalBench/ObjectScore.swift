import DamaSupport

/// What an answer says of objects against what an image shows: the counts of CHAIR.
struct ObjectScore {
    /// The objects that the answer names, in its order.
    var mentions: [ObjectVocabulary.Mention]
    /// The classes that are in the image.
    var truth: Set<ExactText>
    /// The answer's words, as `split(" ")` of Python counts them.
    var wordCount: Int

    private func isHallucinated(_ mention: ObjectVocabulary.Mention) -> Bool {
        !truth.contains(ExactText(mention.object))
    }

    /// An answer passes if it names no object that is not in the image.
    var answerScore: AnswerScore {
        let hallucinated = mentions.filter(isHallucinated)
        let right = Set(mentions.filter { !isHallucinated($0) }.map { ExactText($0.object) })
        return AnswerScore(
            pass: hallucinated.isEmpty,
            counts: [
                "sentences": 1, "hallucinated_sentences": hallucinated.isEmpty ? 0 : 1,
                "coco_sentences": mentions.isEmpty ? 0 : 1, "mentions": Double(mentions.count),
                "hallucinated_mentions": Double(hallucinated.count), "right_classes": Double(right.count),
                "truth_classes": Double(truth.count), "words": Double(wordCount),
            ],
            evidence: [
                "generated": .array(mentions.map { .string($0.object) }),
                "hallucinated": .array(hallucinated.map { .string($0.word) }),
                "truth": .array(
                    truth.map(\.text).sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }.map { .string($0) }),
            ])
    }
}

/// The metrics of sums of ``ObjectScore``, in percent but for lengths and counts, as
/// `eval/summarize_gpt_obj_halbench_review.py` of RLAIF-V 83d917b computes and rounds them.
enum ObjectMetrics {
    /// The share of answers with a hallucinated object, and of mentions that are hallucinated (Rohrbach et al. 2018).
    static func chair(_ counts: Counts) -> [Metric] {
        [
            percent("chair_s", ratio(counts["hallucinated_sentences"], counts["sentences"]), digits: 1),
            percent("chair_i", ratio(counts["hallucinated_mentions"], counts["mentions"]), digits: 1),
        ]
    }

    static func all(_ counts: Counts) -> [Metric] {
        let response = ratio(counts["hallucinated_sentences"], counts["coco_sentences"])
        let mention = ratio(counts["hallucinated_mentions"], counts["mentions"])
        let recall = ratio(counts["right_classes"], counts["truth_classes"])
        let (rightResponse, rightMention) = (response.map { (1 - $0) * 100 }, mention.map { (1 - $0) * 100 })
        let percentRecall = recall.map { $0 * 100 }
        // The script takes the number of answers with objects, of 300, for a recall in percent.
        let coverage = counts["coco_sentences"] / 3
        return [
            percent("response_hallucination", response), percent("mention_hallucination", mention),
            number("response_correct", rightResponse), number("object_correct", rightMention),
            number("object_recall", percentRecall),
            number("average_length", ratio(counts["words"], counts["sentences"])),
            number("object_f1", f1(percentRecall, rightMention)), number("response_f1", f1(coverage, rightResponse)),
            percent("chair_s", ratio(counts["hallucinated_sentences"], counts["sentences"]), digits: 1),
            count("sentences", counts["sentences"]), count("coco_sentences", counts["coco_sentences"]),
            count("coco_words", counts["right_classes"]), count("truth_words", counts["truth_classes"]),
        ]
    }

    private static func ratio(_ a: Double, _ b: Double) -> Double? { b == 0 ? nil : a / b }

    private static func f1(_ a: Double?, _ b: Double?) -> Double? {
        guard let a, let b else { return nil }
        return ratio(2 * a * b, a + b)
    }

    private static func percent(_ name: String, _ value: Double?, digits: Int = 2) -> Metric {
        number(name, value.map { $0 * 100 }, digits: digits)
    }

    private static func number(_ name: String, _ value: Double?, digits: Int = 2) -> Metric {
        Metric(name, value, official: value.map { FixedPoint.text($0, digits: digits) })
    }

    /// Python prints its float.
    private static func count(_ name: String, _ value: Double) -> Metric {
        Metric(name, value, official: FixedPoint.text(value, digits: 1))
    }
}
