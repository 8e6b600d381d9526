import DamaSupport

extension Scorer {
    /// Γ of Eq. (4): scale · images textsᵀ, [images, texts], row-major.
    ///
    /// All scores come from this function, in jobs too. Each sum runs over the elements of an embedding in order, one
    /// product and one addition at a time. So a score depends only on its image and its text: not on the rest of the
    /// call, unlike the last bits of a matrix product, and not on the processor.
    ///
    /// - Parameters:
    ///   - images: embeddings of unit norm, all of one length.
    ///   - texts: embeddings of unit norm, of the same length.
    ///   - scale: exp(logit_scale) of the model.
    /// - Throws: ``DamaError/Code/shapeMismatch`` for embeddings of different lengths.
    public static func scores(images: [[Float]], texts: [[Float]], scale: Float) throws(DamaError) -> [Float] {
        guard let width = (images.first ?? texts.first)?.count, !images.isEmpty, !texts.isEmpty else { return [] }
        guard width > 0, images.allSatisfy({ $0.count == width }), texts.allSatisfy({ $0.count == width }) else {
            throw .shapeMismatch("the embeddings have different sizes; they must have one size")
        }
        let (count, overflow) = images.count.multipliedReportingOverflow(by: texts.count)
        guard !overflow else { throw .outOfMemory("\(images.count) × \(texts.count) scores are too many") }
        try Allocation.check(count, of: 4, for: "the scores of \(texts.count) texts")
        var scores = [Float](repeating: 0, count: count)
        // A lane computes one text: each lane adds in the same order as a loop over one pair.
        var lanes = [Lanes](repeating: .zero, count: width)
        for start in stride(from: 0, to: texts.count, by: Lanes.scalarCount) {
            let block = texts[start..<min(start + Lanes.scalarCount, texts.count)]
            for (lane, text) in block.enumerated() {
                for index in 0..<width { lanes[index][lane] = text[index] }
            }
            for (row, image) in images.enumerated() {
                var sum = Lanes.zero
                for index in 0..<width { sum += Lanes(repeating: image[index]) * lanes[index] }
                sum *= scale
                for lane in 0..<block.count { scores[row * texts.count + start + lane] = sum[lane] }
            }
        }
        return scores
    }

    private typealias Lanes = SIMD16<Float>
}
