import DamaSupport

/// The two scores in a judge's review, as `eval_gpt_review_bench.py` of LLaVA c121f04 finds them.
///
/// In the first line, each comma becomes a blank; between its blanks there must be exactly two texts, which are numbers
/// for Python's `float()`. So "8 7" and "8,7" are reviews, "9, 8" and "9  8" are not, for they have an empty text too.
struct LlavaBenchReview: Equatable, Sendable {
    /// The reference's and the model's score. The official script has −1 for both in a failed review.
    let reference: Double
    let model: Double
    /// Whether the review has no two scores.
    let isFailed: Bool

    private static let failed = -1.0

    init(_ review: String) {
        let line = review.utf8.prefix { $0 != UInt8(ascii: "\n") }
        let blanks = line.map { $0 == UInt8(ascii: ",") ? UInt8(ascii: " ") : $0 }
        let fields = blanks.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
        let numbers =
            fields.count == 2 ? fields.compactMap { PythonFloat.parse(String(decoding: $0, as: UTF8.self)) } : []
        self.init(numbers)
    }

    /// - Parameter scores: An official `tuple`. Other than two finite numbers are a failed review; the official scripts
    ///   would go on with NaN.
    init(_ scores: [Double]) {
        guard scores.count == 2, scores.allSatisfy(\.isFinite) else {
            (reference, model, isFailed) = (Self.failed, Self.failed, true)
            return
        }
        (reference, model) = (scores[0], scores[1])
        // The mark by which RLHF-V's summary drops a review.
        isFailed = reference == Self.failed
    }

    /// What the review adds to the sums of `group`.
    func counts(_ group: String) -> Counts {
        var counts: Counts = [
            "\(group)reviews": 1, "\(group)reference": reference, "\(group)model": model,
        ]
        if isFailed {
            counts["\(group)failed"] = 1
        } else {
            counts["\(group)scored_reference"] = reference
            counts["\(group)scored_model"] = model
        }
        return counts
    }
}

/// A summary of reviews: the model's mean score, the reference's, and one in percent of the other.
enum LlavaBenchSummary {
    /// As `summarize_gpt_review.py` of LLaVA c121f04: the −1 of failed reviews is part of the means, which are printed
    /// ten times as large.
    static func withFailed(_ counts: Counts, _ group: String) -> [Metric] {
        let means = Means(counts["\(group)reference"], counts["\(group)model"], count: counts["\(group)reviews"])
        func tenfold(_ mean: Double?) -> String? { mean.map { FixedPoint.rounded($0 * 10, digits: 1).description } }
        return [
            Metric("\(group)relative_score", means.relative, official: means.officialRelative),
            Metric(
                "\(group)reference_score", means.reference.map { $0 * 10 }, official: tenfold(means.printedReference)),
            Metric("\(group)model_score", means.model.map { $0 * 10 }, official: tenfold(means.printedModel)),
        ]
    }

    /// As `summarize_gpt_llava_review.py` of RLHF-V 8daac8a: without failed reviews.
    static func withoutFailed(_ counts: Counts, _ group: String) -> [Metric] {
        let means = Means(
            counts["\(group)scored_reference"], counts["\(group)scored_model"],
            count: counts["\(group)reviews"] - counts["\(group)failed"])
        return [
            Metric("\(group)relative_score", means.relative, official: means.officialRelative),
            Metric("\(group)reference_mean", means.reference, official: means.printedReference?.description),
            Metric("\(group)model_mean", means.model, official: means.printedModel?.description),
        ]
    }

    private struct Means {
        var reference: Double?
        var model: Double?

        init(_ reference: Double, _ model: Double, count: Double) {
            guard count > 0 else { return }
            (self.reference, self.model) = (reference / count, model / count)
        }

        /// The means with three digits, which the scripts go on with.
        var printedReference: Double? { reference.map { FixedPoint.rounded($0, digits: 3) } }
        var printedModel: Double? { model.map { FixedPoint.rounded($0, digits: 3) } }

        var relative: Double? { Self.percent(model, of: reference) }
        var officialRelative: String? {
            Self.percent(printedModel, of: printedReference).map { FixedPoint.rounded($0, digits: 1).description }
        }

        private static func percent(_ part: Double?, of whole: Double?) -> Double? {
            guard let part, let whole, whole != 0 else { return nil }
            // The scripts' order of operations.
            return part / whole * 100
        }
    }
}
