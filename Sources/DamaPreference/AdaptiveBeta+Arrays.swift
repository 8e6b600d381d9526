import DamaSupport

extension AdaptiveBeta {
    /// ``step(_:into:)`` with arrays.
    ///
    /// - Parameters:
    ///   - policyChosen: log πθ(y_w), [N]; the next three are log πθ(y_l), log πref(y_w), log πref(y_l).
    ///   - alphaData: α_D, [N]; nil for 1.
    ///   - chosenLengths: Token counts, [N], to divide the log-probabilities by.
    ///   - slice: The pairs of this rank; nil for all.
    /// - Throws: ``DamaError/Code/shapeMismatch`` for arrays of different lengths; otherwise as ``step(_:into:)``.
    public mutating func step(
        policyChosen: [Double], policyRejected: [Double], referenceChosen: [Double]? = nil,
        referenceRejected: [Double]? = nil, alphaData: [Double]? = nil, chosenLengths: [Int64]? = nil,
        rejectedLengths: [Int64]? = nil, slice: Range<Int>? = nil
    ) throws(DamaError) -> Step {
        let count = policyChosen.count
        func check(_ found: Int?, _ name: String) throws(DamaError) {
            guard let found, found != count else { return }
            throw .shapeMismatch("\(name) has \(found) values; policyChosen has \(count)")
        }
        try check(policyRejected.count, "policyRejected")
        try check(referenceChosen?.count, "referenceChosen")
        try check(referenceRejected?.count, "referenceRejected")
        try check(alphaData?.count, "alphaData")
        try check(chosenLengths?.count, "chosenLengths")
        try check(rejectedLengths?.count, "rejectedLengths")
        let slice = slice ?? 0..<count
        guard slice.lowerBound >= 0, slice.upperBound <= count else {
            throw .shapeMismatch("the slice \(slice) is outside the batch of \(count)")
        }

        // The step reads and writes through plain pointers, here into two blocks that hold all arrays.
        let width = slice.count
        let values = UnsafeMutablePointer<Double>.allocate(capacity: 5 * count + 9 * width)
        let integers = UnsafeMutablePointer<Int64>.allocate(capacity: 2 * count)
        let mask = UnsafeMutablePointer<UInt8>.allocate(capacity: width)
        defer {
            values.deallocate()
            integers.deallocate()
            mask.deallocate()
        }
        func place<T>(_ array: [T]?, _ block: UnsafeMutablePointer<T>, _ row: Int) -> UnsafePointer<T>? {
            guard let array else { return nil }
            let start = block + row * count
            for index in 0..<count { start[index] = array[index] }
            return UnsafePointer(start)
        }
        _ = place(policyChosen, values, 0)
        _ = place(policyRejected, values, 1)
        let batch = Batch(
            count: count, policyChosen: values, policyRejected: values + count,
            referenceChosen: place(referenceChosen, values, 2), referenceRejected: place(referenceRejected, values, 3),
            alphaData: place(alphaData, values, 4), chosenLengths: place(chosenLengths, integers, 0),
            rejectedLengths: place(rejectedLengths, integers, 1), slice: slice)
        let results = (0..<9).map { values + 5 * count + $0 * width }
        var output = Output()
        output.mask = mask
        output.beta = results[0]
        output.margins = results[1]
        output.losses = results[2]
        output.gradChosen = results[3]
        output.gradRejected = results[4]
        output.rewardChosen = results[5]
        output.rewardRejected = results[6]
        output.plainRewardChosen = results[7]
        output.plainRewardRejected = results[8]
        let summary = try step(batch, into: output)
        let rows = results.map { Array(UnsafeBufferPointer(start: $0, count: width)) }
        return Step(
            summary: summary, beta: rows[0], margins: rows[1], losses: rows[2], gradChosen: rows[3],
            gradRejected: rows[4], rewardChosen: rows[5], rewardRejected: rows[6], plainRewardChosen: rows[7],
            plainRewardRejected: rows[8], mask: (0..<width).map { mask[$0] != 0 })
    }
}
