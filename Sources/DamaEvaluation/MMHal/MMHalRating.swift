import DamaSupport

/// The rating in a judge's answer, as `eval_gpt_mmhal.py` of LLaVA-RLHF 830a083 finds it.
///
/// For each digit from 0 to 6 the script looks for `rating: ` and the digit, in small letters. Exactly one found digit
/// is the rating; otherwise it is 0. So "Rating: 10" is 1, "Rating:5" is 0, and two ratings are 0.
struct MMHalRating: Equatable, Sendable {
    /// The rating from 0 to 6; `nil` if the answer has none, or several.
    let found: Int?

    /// The rating that the official script uses.
    var official: Int { found ?? 0 }

    init(_ answer: String) {
        // No other letter becomes one of "rating" in small letters.
        let text = answer.utf8.map { (0x41...0x5A).contains($0) ? $0 | 0x20 : $0 }
        let mark = Array("rating: ".utf8)
        var digits = Set<Int>()
        for start in text.indices where text[start] == mark[0] && text[start...].starts(with: mark) {
            let next = start + mark.count
            if next < text.count, (0x30...0x36).contains(text[next]) { digits.insert(Int(text[next]) - 0x30) }
        }
        found = digits.count == 1 ? digits.first : nil
    }

    /// Whether a rating means that the answer is free of hallucination.
    static func isFaithful(_ rating: Int) -> Bool { rating >= 3 }

    /// How informative an answer is by its rating, from 0 to 3, in `summarize_gpt_mmhal_review.py` of RLAIF-V 83d917b.
    static func informativeness(_ rating: Int) -> Int { rating >= 3 ? rating - 3 : rating }
}
