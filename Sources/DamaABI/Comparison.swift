import CDama
import Dama

/// What a `dama_comparison *` points to.
final class ComparisonHandle: Sendable {
    /// The tables, JSON, CSV and the page.
    private let texts: Strings

    init(_ comparison: EvaluationComparison) {
        texts = Strings([comparison.text, comparison.jsonText, comparison.csv, comparison.page])
    }

    /// The caller's handle, which `dama_comparison_free` releases.
    fileprivate var handle: OpaquePointer { OpaquePointer(Unmanaged.passRetained(self).toOpaque()) }

    fileprivate static func text(_ handle: OpaquePointer?, _ index: Int) -> UnsafePointer<CChar>? {
        handle.flatMap { Unmanaged<ComparisonHandle>.fromOpaque(UnsafeRawPointer($0)).takeUnretainedValue() }?
            .texts.at(index)
    }
}

extension dama_comparison_options {
    fileprivate static var defaults: Self {
        let standard = ComparisonOptions(summaries: [])
        var options = Self()
        options.resamples = UInt32(standard.resamples)
        options.confidence = standard.confidence
        return options
    }
}

@c @implementation
public func dama_comparison_options_init_sized(
    _ options: UnsafeMutablePointer<dama_comparison_options>?, _ size: Int
) {
    initStruct(options, size, .defaults)
}

@c @implementation
public func dama_evaluate_compare(
    _ out: UnsafeMutablePointer<OpaquePointer?>?, _ summaries: UnsafePointer<UnsafePointer<CChar>?>?,
    _ summaryCount: Int, _ options: UnsafePointer<dama_comparison_options>?, _ cancellation: OpaquePointer?
) -> dama_status {
    guarded {
        let out = try require(out, "out")
        var given = dama_comparison_options.defaults
        if let options { given = try readStruct(options, "options", defaults: .defaults) }
        try requireZero(given.reserved)
        var settings = ComparisonOptions(summaries: try strings(summaries, summaryCount, "summaries"))
        settings.data = try given.data.map { try string($0, "options.data") }
        settings.resamples = Int(given.resamples)
        settings.seed = given.seed
        settings.confidence = given.confidence
        settings.allowsDifferent = given.allow_different != 0
        let comparison = try EvaluationComparison(settings, stop: try Cancellation.signal(cancellation))
        out.pointee = ComparisonHandle(comparison).handle
    }
}

@c @implementation
public func dama_comparison_free(_ comparison: OpaquePointer?) {
    release(comparison, ComparisonHandle.self)
}

@c @implementation
public func dama_comparison_text(_ comparison: OpaquePointer?) -> UnsafePointer<CChar>? {
    ComparisonHandle.text(comparison, 0)
}

@c @implementation
public func dama_comparison_json(_ comparison: OpaquePointer?) -> UnsafePointer<CChar>? {
    ComparisonHandle.text(comparison, 1)
}

@c @implementation
public func dama_comparison_csv(_ comparison: OpaquePointer?) -> UnsafePointer<CChar>? {
    ComparisonHandle.text(comparison, 2)
}

@c @implementation
public func dama_comparison_page(_ comparison: OpaquePointer?) -> UnsafePointer<CChar>? {
    ComparisonHandle.text(comparison, 3)
}
