import CDama
import Dama

/// What a `dama_preparation *` points to.
final class PreparationHandle: Sendable {
    let made: Strings
    let kept: Strings
    private let missing: [MissingFile]

    init(_ report: EvaluationData.Report) {
        made = Strings(report.made)
        kept = Strings(report.kept)
        missing = report.missing.map { MissingFile($0) }
    }

    var count: Int { missing.count }

    /// The caller's handle, which `dama_preparation_free` releases.
    fileprivate var handle: OpaquePointer { OpaquePointer(Unmanaged.passRetained(self).toOpaque()) }

    static func from(_ handle: OpaquePointer?) -> PreparationHandle? {
        handle.map { Unmanaged<PreparationHandle>.fromOpaque(UnsafeRawPointer($0)).takeUnretainedValue() }
    }

    fileprivate func at(_ index: Int) throws -> dama_missing_file {
        guard missing.indices.contains(index) else {
            throw DamaError.invalidArgument(
                "missing file \(UInt(bitPattern: index)) is beyond the end; there are \(missing.count)")
        }
        return missing[index].c
    }
}

/// A missing file with the memory that its C struct points to.
private final class MissingFile: Sendable {
    private let isOptional: Bool
    /// The name and purpose, then name and address of each download.
    private let texts: Strings
    private let digests: [Strings]
    private nonisolated(unsafe) let downloads: UnsafeMutableBufferPointer<dama_download>

    init(_ file: EvaluationData.Missing) {
        isOptional = file.isOptional
        let texts = Strings([file.name, file.purpose] + file.downloads.flatMap { [$0.name, $0.address] })
        let digests = file.downloads.map { Strings($0.sha256) }
        let all = digests.indices.map { index in
            dama_download(
                name: texts.at(2 + 2 * index), address: texts.at(3 + 2 * index), sha256: digests[index].borrowed)
        }
        self.texts = texts
        self.digests = digests
        downloads = .allocate(capacity: all.count)
        _ = downloads.initialize(fromContentsOf: all)
    }

    deinit { downloads.deallocate() }

    var c: dama_missing_file {
        dama_missing_file(
            struct_size: 0, is_optional: isOptional ? 1 : 0, name: texts.at(0), purpose: texts.at(1),
            downloads: UnsafePointer(downloads.baseAddress), download_count: downloads.count)
    }
}

@c @implementation
public func dama_missing_file_init_sized(_ file: UnsafeMutablePointer<dama_missing_file>?, _ size: Int) {
    initStruct(file, size, dama_missing_file())
}

@c @implementation
public func dama_evaluate_prepare(
    _ out: UnsafeMutablePointer<OpaquePointer?>?, _ benchmark: UnsafePointer<CChar>?,
    _ files: UnsafePointer<UnsafePointer<CChar>?>?, _ fileCount: Int, _ anyVersion: Int32,
    _ output: UnsafePointer<CChar>?, _ cancellation: OpaquePointer?
) -> dama_status {
    guarded {
        let out = try require(out, "out")
        let report = try EvaluationData.prepare(
            benchmark: try string(benchmark, "benchmark"), from: try strings(files, fileCount, "files"),
            to: try string(output, "output"), acceptsAnyVersion: anyVersion != 0,
            stop: try Cancellation.signal(cancellation))
        out.pointee = PreparationHandle(report).handle
    }
}

@c @implementation
public func dama_preparation_free(_ preparation: OpaquePointer?) {
    release(preparation, PreparationHandle.self)
}

@c @implementation
public func dama_preparation_made(_ preparation: OpaquePointer?) -> OpaquePointer? {
    PreparationHandle.from(preparation)?.made.borrowed
}

@c @implementation
public func dama_preparation_kept(_ preparation: OpaquePointer?) -> OpaquePointer? {
    PreparationHandle.from(preparation)?.kept.borrowed
}

@c @implementation
public func dama_preparation_count(_ preparation: OpaquePointer?) -> Int {
    PreparationHandle.from(preparation)?.count ?? 0
}

@c @implementation
public func dama_preparation_at(
    _ preparation: OpaquePointer?, _ index: Int, _ file: UnsafeMutablePointer<dama_missing_file>?
) -> dama_status {
    guarded {
        guard let preparation = PreparationHandle.from(preparation) else {
            throw DamaError.invalidArgument("preparation is NULL")
        }
        try writeStruct(try preparation.at(index), to: try require(file, "file"), "file")
    }
}
