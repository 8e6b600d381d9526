/// The choice of greedy decoding.
package enum Likeliest {
    private typealias Lanes = SIMD16<Float>

    /// The first place of the largest number; NaN counts as −∞. `nil` if no number is above −∞.
    ///
    /// Takes one pass for the largest number, without branches, and part of a second one for its place.
    package static func place(in numbers: UnsafeBufferPointer<Float>) -> Int? {
        let (memory, width) = (UnsafeRawBufferPointer(numbers), Lanes.scalarCount)
        let whole = numbers.count / width * width
        func lanes(_ place: Int) -> Lanes {
            memory.loadUnaligned(fromByteOffset: place * MemoryLayout<Float>.stride, as: Lanes.self)
        }
        var tops = Lanes(repeating: -.infinity)
        for place in stride(from: 0, to: whole, by: width) {
            let next = lanes(place)
            // A comparison with NaN is false.
            tops.replace(with: next, where: next .> tops)
        }
        var top = -Float.infinity
        for lane in tops.indices where tops[lane] > top { top = tops[lane] }
        for place in whole..<numbers.count where numbers[place] > top { top = numbers[place] }
        guard top > -.infinity else { return nil }
        var place = 0
        while place < whole, !any(lanes(place) .== top) { place += width }
        return numbers[place...].firstIndex(of: top)
    }
}
