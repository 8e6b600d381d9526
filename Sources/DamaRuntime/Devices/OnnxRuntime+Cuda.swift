import CDamaCuda
import COnnxRuntime
import DamaSupport
import Synchronization

extension OnnxRuntime {
    /// Lets a session run on a CUDA device: on the one stream of all sessions of the device, with one arena of memory
    /// for all of them. With an arena of its own each session would keep what it once used.
    func appendCuda(_ options: OpaquePointer, _ backend: CudaBackend) throws(DamaError) {
        guard case .cuda(let ordinal) = backend.device else { return }
        try requireCudaLibraries()
        try check(api.pointee.AddSessionConfigEntry!(options, "session.use_env_allocators", "1"))
        var cuda: OpaquePointer?
        try check(api.pointee.CreateCUDAProviderOptions!(&cuda))
        defer { api.pointee.ReleaseCUDAProviderOptions!(cuda) }
        // The factors of fp32 products are rounded to 10 bits (TF32): several times faster.
        let settings = [
            ("device_id", String(ordinal)), ("use_tf32", "1"),
            ("arena_extend_strategy", "kSameAsRequested"), ("has_user_compute_stream", "1"),
            // Prompts by flash attention, or memory-efficient or plain attention where it has no kernel (1, 2, 16).
            // cuDNN's (8), which newer devices would take, plans each new shape in each thread anew: 70 ms.
            ("sdpa_kernel", String(1 | 2 | 16)),
        ]
        try withCStrings(settings.map(\.0)) { keys throws(DamaError) in
            try withCStrings(settings.map(\.1)) { values throws(DamaError) in
                try check(api.pointee.UpdateCUDAProviderOptions!(cuda, keys, values, settings.count))
            }
        }
        try check(
            api.pointee.UpdateCUDAProviderOptionsWithValue!(
                cuda, "user_compute_stream", cdama_cuda_stream(backend.handle)))
        try check(api.pointee.SessionOptionsAppendExecutionProvider_CUDA_V2!(options, cuda))
        // Only now: without its provider the runtime ends the process here, instead of returning a status.
        try registerArena(ordinal)
    }

    private static let librariesAreThere = Mutex(false)

    /// - Throws: ``DamaError/Code/unsupported`` if the provider lacks a library, or the driver is too old for it.
    func requireCudaLibraries() throws(DamaError) {
        try Self.librariesAreThere.withLock { known throws(DamaError) in
            if known { return }
            try cudaLibraries().check()
            known = true
        }
    }

    /// What the provider beside this runtime needs.
    private func cudaLibraries() throws(DamaError) -> CudaLibraries {
        // The table of functions lies in the runtime's library.
        guard let name = cdama_library_of(api) else {
            throw .internal("ONNX Runtime's library is not known to the loader")
        }
        return try CudaLibraries(runtime: version, library: String(cString: name))
    }

    private static let arenas = Mutex<Set<Int32>>([])

    /// Makes the arena of a device that sessions with `session.use_env_allocators` share. The process has one runtime.
    private func registerArena(_ ordinal: Int32) throws(DamaError) {
        let result = Self.arenas.withLock { arenas -> Result<Void, DamaError> in
            if arenas.contains(ordinal) { return .success(()) }
            do throws(DamaError) {
                try makeArena(ordinal)
                arenas.insert(ordinal)
                return .success(())
            } catch {
                return .failure(error)
            }
        }
        try result.get()
    }

    private func makeArena(_ ordinal: Int32) throws(DamaError) {
        let info = try memoryInfo(.cuda(ordinal))
        defer { api.pointee.ReleaseMemoryInfo!(info) }
        var configuration: OpaquePointer?
        // A region is as large as what was asked for; 1 is that strategy, and 0 of memory is no limit.
        try withCStrings(["max_mem", "arena_extend_strategy"]) { keys throws(DamaError) in
            try check(api.pointee.CreateArenaCfgV2!(keys, [0, 1], 2, &configuration))
        }
        defer { api.pointee.ReleaseArenaCfg!(configuration) }
        try withCStrings(["device_id"]) { keys throws(DamaError) in
            try withCStrings([String(ordinal)]) { values throws(DamaError) in
                try check(
                    api.pointee.CreateAndRegisterAllocatorV2!(
                        environment, "CUDAExecutionProvider", info, configuration, keys, values, 1))
            }
        }
    }
}
