import CDama
import Dama

/// What a `dama_metrics *` points to.
final class MetricsHandle: Sendable {
    private let metrics: [EvaluationMetric]
    /// For each metric its name, and its official text or an empty one.
    private let texts: Strings
    /// The values of all metrics' runs.
    private nonisolated(unsafe) let runs: UnsafeMutableBufferPointer<Double>
    private let starts: [Int]

    init(_ metrics: [EvaluationMetric]) {
        self.metrics = metrics
        texts = Strings(metrics.flatMap { [$0.name, $0.official ?? ""] })
        let values = metrics.map { $0.runs.map { $0 ?? .nan } }
        var starts: [Int] = []
        var count = 0
        for runs in values {
            starts.append(count)
            count += runs.count
        }
        self.starts = starts
        runs = .allocate(capacity: count)
        _ = runs.initialize(fromContentsOf: values.flatMap { $0 })
    }

    deinit { runs.deallocate() }

    var count: Int { metrics.count }

    /// A handle that the caller owns.
    var handle: OpaquePointer { OpaquePointer(Unmanaged.passRetained(self).toOpaque()) }

    static func from(_ handle: OpaquePointer?) -> MetricsHandle? {
        handle.map { Unmanaged<MetricsHandle>.fromOpaque(UnsafeRawPointer($0)).takeUnretainedValue() }
    }

    fileprivate func at(_ index: Int) throws -> dama_metric {
        guard metrics.indices.contains(index) else {
            throw DamaError.invalidArgument(
                "metric \(UInt(bitPattern: index)) is beyond the end; there are \(metrics.count)")
        }
        let it = metrics[index]
        return dama_metric(
            struct_size: 0, reserved: 0, name: texts.at(2 * index), value: it.value ?? .nan,
            standard_deviation: it.standardDeviation ?? .nan,
            official: it.official == nil ? nil : texts.at(2 * index + 1),
            runs: runs.baseAddress.map { UnsafePointer($0 + starts[index]) }, run_count: it.runs.count)
    }
}

@c @implementation
public func dama_metric_init_sized(_ metric: UnsafeMutablePointer<dama_metric>?, _ size: Int) {
    initStruct(metric, size, dama_metric())
}

@c @implementation
public func dama_metrics_free(_ metrics: OpaquePointer?) {
    release(metrics, MetricsHandle.self)
}

@c @implementation
public func dama_metrics_count(_ metrics: OpaquePointer?) -> Int { MetricsHandle.from(metrics)?.count ?? 0 }

@c @implementation
public func dama_metrics_at(
    _ metrics: OpaquePointer?, _ index: Int, _ metric: UnsafeMutablePointer<dama_metric>?
) -> dama_status {
    guarded {
        guard let metrics = MetricsHandle.from(metrics) else { throw DamaError.invalidArgument("metrics is NULL") }
        try writeStruct(try metrics.at(index), to: try require(metric, "metric"), "metric")
    }
}
