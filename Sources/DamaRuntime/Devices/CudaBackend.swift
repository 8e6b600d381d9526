import CDamaCuda
import DamaSupport
import Synchronization

/// A CUDA device through its driver.
final class CudaBackend: DeviceBackend, @unchecked Sendable {
    let device: Device
    let handle: OpaquePointer
    private let staged = StagedCopies()
    let stagingPool = StagingPool()
    var isHost: Bool { false }
    var stream: UnsafeMutableRawPointer? { cdama_cuda_stream(handle) }

    private static let opened = Mutex<[Int32: CudaBackend]>([:])

    /// The backend of device `ordinal`, which stays open until the process ends.
    ///
    /// - Throws: ``DamaError/Code/unsupported`` without a driver or without such a device.
    static func open(_ ordinal: Int32) throws(DamaError) -> CudaBackend {
        let result = opened.withLock { opened -> Result<CudaBackend, DamaError> in
            do throws(DamaError) {
                if let known = opened[ordinal] { return .success(known) }
                let backend = try CudaBackend(ordinal)
                opened[ordinal] = backend
                return .success(backend)
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    private init(_ ordinal: Int32) throws(DamaError) {
        device = .cuda(ordinal)
        var found: OpaquePointer?
        let status = cdama_cuda_open(ordinal, &found)
        guard status == CDAMA_CUDA_OK, let found else {
            throw .unsupported("cannot run on 'cuda:\(ordinal)': \(Self.message)")
        }
        handle = found
    }

    private static var message: String { String(cString: cdama_cuda_error()) }

    static func check(_ status: cdama_cuda_status) throws(DamaError) {
        switch status {
        case CDAMA_CUDA_OK: return
        case CDAMA_CUDA_OUT_OF_MEMORY: throw .outOfMemory(message)
        case CDAMA_CUDA_UNAVAILABLE: throw .unsupported(message)
        default: throw .model(message)
        }
    }

    // MARK: Memory

    func allocate(_ byteCount: Int) throws(DamaError) -> UnsafeMutableRawPointer {
        var memory: UnsafeMutableRawPointer?
        try Self.check(cdama_cuda_allocate(handle, byteCount, &memory))
        guard let memory else { throw .internal("the CUDA driver returned no memory") }
        return memory
    }

    func release(_ memory: UnsafeMutableRawPointer, _ byteCount: Int) { cdama_cuda_release(handle, memory) }

    func copyIn(_ source: UnsafeRawBufferPointer, to target: UnsafeMutableRawPointer) throws(DamaError) {
        guard let start = source.baseAddress else { return }
        if source.count >= StagedCopies.least { return try staged.copyIn(source, to: target, on: self) }
        try Self.check(cdama_cuda_copy_in(handle, target, start, source.count))
    }

    func copyOut(_ source: UnsafeRawPointer, to target: UnsafeMutableRawBufferPointer) throws(DamaError) {
        guard let start = target.baseAddress else { return }
        try Self.check(cdama_cuda_copy_out(handle, start, source, target.count))
    }

    func copy(_ source: UnsafeRawPointer, to target: UnsafeMutableRawPointer, byteCount: Int) throws(DamaError) {
        try Self.check(cdama_cuda_copy(handle, target, source, byteCount))
    }

    func clear(_ memory: UnsafeMutableRawPointer, byteCount: Int) throws(DamaError) {
        try Self.check(cdama_cuda_clear(handle, memory, byteCount))
    }

    func working<Result>(_ body: () throws(DamaError) -> Result) throws(DamaError) -> Result {
        try Self.check(cdama_cuda_enter(handle))
        defer { cdama_cuda_leave(handle) }
        return try body()
    }

    func memory(resets: Bool) throws(DamaError) -> DeviceMemoryUse {
        var found = cdama_cuda_memory()
        try Self.check(cdama_cuda_describe_memory(handle, resets ? 1 : 0, &found))
        return DeviceMemoryUse(
            total: found.total, available: found.available + found.reserved - found.used, used: found.used,
            peak: found.used_peak)
    }

    // MARK: In messages

    /// The error of a run that failed, with the memory that is free if it was short.
    func explain(_ error: DamaError) -> DamaError {
        guard error.code == .outOfMemory, let found = try? memory(resets: false) else { return error }
        let asked = Self.requested(error.message).map { " that asked for \(Self.gigabytes($0))" } ?? ""
        return .outOfMemory(
            "the memory of \(device) is too small for a run\(asked): \(Self.gigabytes(found.available)) of "
                + "\(Self.gigabytes(found.total)) are free; smaller runs (tokens_per_run), recomputed activations "
                + "(activations: recompute), offload or smaller batches need less")
    }

    /// The bytes in the runtime's message "… requested buffer of size N".
    private static func requested(_ message: String) -> UInt64? {
        guard let range = message.utf8.firstRange(of: Array("buffer of size ".utf8)) else { return nil }
        return UInt64(
            String(decoding: message.utf8[range.upperBound...].prefix { (48...57).contains($0) }, as: UTF8.self))
    }

    private static func gigabytes(_ bytes: UInt64) -> String { "\(FixedPoint.text(Double(bytes) / 1e9, digits: 2)) GB" }
}
