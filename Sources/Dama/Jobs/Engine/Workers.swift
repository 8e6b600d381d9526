import DamaSupport

/// Threads for reading, decoding and splitting, beside the model.
struct Workers: Sendable {
    let count: Int

    /// - Parameter count: 0 for as many as there are processors, at most 8.
    init(count: Int) { self.count = count > 0 ? min(count, 256) : min(Processors.usable, 8) }

    /// Applies `transform` to every element on the workers, and returns the results in order. Throws the error of the
    /// first element that failed, in the elements' order.
    func map<Element: Sendable, Output: Sendable>(
        _ elements: [Element], _ transform: @Sendable (Element) throws(DamaError) -> Output
    ) throws(DamaError) -> [Output] {
        try Concurrent.map(elements.count, threads: count) { index throws(DamaError) in try transform(elements[index]) }
    }
}
