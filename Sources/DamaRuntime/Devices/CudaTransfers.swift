import CDamaCuda
import DamaSupport

/// Copies on streams of their own, beside the device's.
final class CudaTransfers: DeviceTransfers, @unchecked Sendable {
    private let handle: OpaquePointer

    init(_ backend: CudaBackend, tickets: Int) throws(DamaError) {
        var opened: OpaquePointer?
        try CudaBackend.check(cdama_cuda_open_transfers(backend.handle, Int32(clamping: tickets), &opened))
        guard let opened else { throw .internal("the CUDA driver returned no streams") }
        handle = opened
    }

    deinit { cdama_cuda_close_transfers(handle) }

    func begin() throws(DamaError) { try CudaBackend.check(cdama_cuda_begin_transfers(handle)) }

    func copyOut(
        _ source: UnsafeRawPointer, to target: UnsafeMutableRawBufferPointer, ticket: Int
    ) throws(DamaError) {
        try CudaBackend.check(
            cdama_cuda_transfer_out(handle, target.baseAddress, source, target.count, Int32(clamping: ticket)))
    }

    func copyIn(_ source: UnsafeRawBufferPointer, to target: UnsafeMutableRawPointer, ticket: Int) throws(DamaError) {
        try CudaBackend.check(
            cdama_cuda_transfer_in(handle, target, source.baseAddress, source.count, Int32(clamping: ticket)))
    }

    func wait(for ticket: Int) throws(DamaError) {
        try CudaBackend.check(cdama_cuda_wait_for_transfer(handle, Int32(clamping: ticket)))
    }

    func end() throws(DamaError) { try CudaBackend.check(cdama_cuda_end_transfers(handle)) }

    func abandon() { cdama_cuda_abandon_transfers(handle) }
}

extension CudaBackend {
    func transfers(tickets: Int) throws(DamaError) -> any DeviceTransfers { try CudaTransfers(self, tickets: tickets) }

    func staging(_ byteCount: Int) throws(DamaError) -> StagingMemory {
        var memory = cdama_cuda_host_memory()
        try Self.check(cdama_cuda_allocate_host(handle, byteCount, &memory))
        nonisolated(unsafe) let (found, device) = (memory, handle)
        return StagingMemory(UnsafeMutableRawBufferPointer(start: memory.start, count: byteCount)) {
            cdama_cuda_release_host(device, found)
        }
    }
}
