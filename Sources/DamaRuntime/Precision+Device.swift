import DamaSupport

extension Precision {
    /// Reads a precision as options name it; `nil` for "auto", the usual one of the device.
    public static func named(_ text: String) throws(DamaError) -> Precision? {
        if text == "auto" { return nil }
        guard let precision = Precision(rawValue: text) else {
            let names = allCases.map { "'\($0.rawValue)'" }
            throw .invalidArgument(
                "unknown precision '\(text)'; expected 'auto', \(names.dropLast().joined(separator: ", ")) or "
                    + (names.last ?? ""))
        }
        return precision
    }

    /// The precision of a model on `device`.
    ///
    /// - Parameter wanted: `nil` for float32 on the CPU and bfloat16 on CUDA.
    /// - Throws: ``DamaError/Code/unsupported`` for bfloat16 on the CPU, whose provider has no kernels for it.
    public static func resolve(_ wanted: Precision?, on device: Device) throws(DamaError) -> Precision {
        guard device == .cpu else { return wanted ?? .bfloat16 }
        guard wanted != .bfloat16 else {
            throw .unsupported(
                "the precision bfloat16 needs a CUDA device, because the CPU provider has no kernels for it; use float32 "
                    + "or float16, or the provider cuda")
        }
        return wanted ?? .float32
    }
}
