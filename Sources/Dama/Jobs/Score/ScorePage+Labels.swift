import DamaSupport
import Glibc

extension ScorePage {
    /// What the share of pairs with δ below 0 says about wrong labels, with its evidence and its limits.
    var labels: String {
        guard hasSign, let below = summary.rowsBelowZero, summary.rowsScored > 0 else { return "" }
        let share = Self.percent(Double(below) / Double(summary.rowsScored))
        let interval = Self.interval(below, of: summary.rowsScored)
        let head = """
            <h2>Are labels wrong?</h2><p class="share">δ is below 0 in \(below) of \(summary.rowsScored) pairs, \
            <b>\(share)</b> (95 % interval \(Self.percent(interval.low)) to \(Self.percent(interval.high))). In these \
            pairs the image fits the rejected response better than the chosen one.</p>
            """
        return head + (2 * below > summary.rowsScored ? Self.moreThanHalf : bound(share)) + Self.evidence + limits
    }

    private func bound(_ share: String) -> String {
        """
        <p>Swapping the two responses of a pair turns δ into −δ. So if a share e of the labels were swapped at random, and \
        a share q of the correctly labelled pairs had δ below 0, the share below 0 would be q + e · (1 − 2q). Then at \
        most \(share) of the labels are swapped, and fewer the more correct pairs the model puts below 0.</p>
        """
    }

    private static let moreThanHalf = """
        <p>This is more than half of the pairs. Check whether the fields of the chosen and the rejected response are \
        exchanged, and whether the model suits these images and texts.</p>
        """

    /// Of labels.json of `scripts/reproduce/reproduce.py --pairs`; docs/results.md has the table.
    private static let evidence = """
        <p>Measured where every label's truth is known, in libdama's synthetic world with a CLIP that was trained on it: \
        with 5 % of the labels swapped at random, δ is below 0 in 17 % of the pairs, and 30 % of these have a wrong \
        label; with 25 % swapped, in 34 %, of which 69 % are wrong. Of the labels that are wrong at random δ is below 0 \
        in 84 to 85 %, of wrong labels of hard pairs in 76 %, of right labels in 11 to 15 %.</p>
        """

    private var limits: String {
        let means = [summary.chosenSubSentences, summary.rejectedSubSentences].map {
            Self.number(Double($0) / Double(summary.rowsScored), digits: 2)
        }
        return """
            <p>A pair below 0 need not be wrong, and one above 0 need not be right. The model may not see what the pair \
            is about (small objects, numbers, text in the image, style), and it shares some errors with those who \
            labelled the pairs. A response with more sub-sentences gets a larger part of δ: here chosen responses have \
            \(means[0]) and rejected ones \(means[1]) on average. Look at some pairs below 0 before you act on them.</p>
            """
    }

    /// Wilson's interval of a share, 95 %.
    static func interval(_ count: Int, of total: Int) -> (low: Double, high: Double) {
        let (n, share) = (Double(total), Double(count) / Double(total))
        let z = 1.959963984540054
        let middle = share + z * z / (2 * n)
        let width = z * sqrt(share * (1 - share) / n + z * z / (4 * n * n))
        let scale = 1 + z * z / n
        return (max(0, (middle - width) / scale), min(1, (middle + width) / scale))
    }

    private static func percent(_ share: Double) -> String { "\(number(100 * share, digits: 1)) %" }
}
