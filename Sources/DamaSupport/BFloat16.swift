/// The upper half of a float32: 8 bits of precision and the range of float32.
public struct BFloat16: BitwiseCopyable, Hashable, Sendable {
    public var bits: UInt16

    public init(bits: UInt16) { self.bits = bits }

    /// Rounds to the nearest number, of two equally near ones to the even one. A NaN stays one, and what lies beyond
    /// the largest number becomes infinite.
    @inline(__always)
    public init(_ number: Float) {
        let pattern = number.bitPattern
        let rounded = (pattern &+ 0x7FFF &+ (pattern >> 16 & 1)) >> 16
        // A NaN's lower half may hold all its bits: without the quiet bit it would become an infinity.
        let quiet = pattern >> 16 | 0x40
        bits = UInt16(truncatingIfNeeded: pattern & 0x7FFF_FFFF > 0x7F80_0000 ? quiet : rounded)
    }

    @inline(__always)
    public var float: Float { Float(bitPattern: UInt32(bits) << 16) }
}
