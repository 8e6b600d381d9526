import DamaSupport
import Glibc
import Synchronization

/// Host memory as a device's memory: for reduced precision on the CPU, and as a stand-in for a CUDA device in tests.
///
/// A guarded backend keeps its memory inaccessible except while a session runs or a copy is made, so that code that
/// reads a device's memory from the host faults as it would with a real device.
package final class HostBackend: DeviceBackend {
    package let device: Device
    package let isGuarded: Bool
    package var isHost: Bool { true }
    package var stream: UnsafeMutableRawPointer? { nil }

    private struct State {
        /// Byte counts by address.
        var ranges: [UInt: Int] = [:]
        /// Runs and copies that are going on.
        var workers = 0
        var used: UInt64 = 0
        var peak: UInt64 = 0
        /// The most that may be in use; `nil` for the machine's memory.
        var capacity: UInt64?
    }

    private let state = Mutex(State())
    package let stagingPool = StagingPool()
    private static let page = max(4096, sysconf(Int32(_SC_PAGESIZE)))

    package init(_ device: Device, isGuarded: Bool) {
        self.device = device
        self.isGuarded = isGuarded
    }

    // MARK: Memory

    package func allocate(_ byteCount: Int) throws(DamaError) -> UnsafeMutableRawPointer {
        let (padded, overflow) = max(1, byteCount).addingReportingOverflow(Self.page - 1)
        guard byteCount >= 0, !overflow else { throw .outOfMemory("no memory can hold \(byteCount) bytes") }
        try Allocation.check(byteCount, for: "memory of \(device)")
        let size = padded / Self.page * Self.page
        let (used, capacity) = state.withLock { ($0.used, $0.capacity) }
        if let capacity, used + UInt64(size) > capacity {
            throw .outOfMemory(
                "the memory of \(device) is too small for \(byteCount) bytes: \(capacity - min(used, capacity)) of "
                    + "\(capacity) are free")
        }
        let memory = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        guard let memory, memory != MAP_FAILED else { throw .outOfMemory("cannot allocate \(byteCount) bytes") }
        state.withLock { state in
            if isGuarded {
                state.ranges[UInt(bitPattern: memory)] = size
                if state.workers == 0 { mprotect(memory, size, PROT_NONE) }
            }
            state.used += UInt64(size)
            state.peak = max(state.peak, state.used)
        }
        return memory
    }

    package func release(_ memory: UnsafeMutableRawPointer, _ byteCount: Int) {
        let size = (max(1, byteCount) + Self.page - 1) / Self.page * Self.page
        state.withLock { state in
            state.ranges[UInt(bitPattern: memory)] = nil
            state.used -= UInt64(size)
        }
        munmap(memory, size)
    }

    // MARK: Copies

    package func copyIn(
        _ source: UnsafeRawBufferPointer, to target: UnsafeMutableRawPointer
    ) throws(DamaError) {
        guard let start = source.baseAddress else { return }
        try copy(start, to: target, byteCount: source.count)
    }

    package func copyOut(
        _ source: UnsafeRawPointer, to target: UnsafeMutableRawBufferPointer
    ) throws(DamaError) {
        guard let start = target.baseAddress else { return }
        try copy(source, to: start, byteCount: target.count)
    }

    package func copy(
        _ source: UnsafeRawPointer, to target: UnsafeMutableRawPointer, byteCount: Int
    ) throws(DamaError) {
        try working { target.copyMemory(from: source, byteCount: byteCount) }
    }

    package func clear(_ memory: UnsafeMutableRawPointer, byteCount: Int) throws(DamaError) {
        try working { _ = memset(memory, 0, byteCount) }
    }

    package func working<Result>(_ body: () throws(DamaError) -> Result) throws(DamaError) -> Result {
        guard isGuarded else { return try body() }
        change(by: 1)
        defer { change(by: -1) }
        return try body()
    }

    private func change(by step: Int) {
        state.withLock { state in
            let before = state.workers
            state.workers += step
            guard (before == 0) != (state.workers == 0) else { return }
            for (address, size) in state.ranges {
                mprotect(
                    UnsafeMutableRawPointer(bitPattern: address), size,
                    state.workers == 0 ? PROT_NONE : PROT_READ | PROT_WRITE)
            }
        }
    }

    /// Limits the memory, as that of a real device is limited; `nil` for the machine's.
    package func setCapacity(_ bytes: UInt64?) { state.withLock { $0.capacity = bytes } }

    package func memory(resets: Bool) throws(DamaError) -> DeviceMemoryUse {
        let (used, peak, capacity) = state.withLock { state in
            defer { if resets { state.peak = state.used } }
            return (state.used, state.peak, state.capacity)
        }
        if let capacity {
            return DeviceMemoryUse(total: capacity, available: capacity - min(used, capacity), used: used, peak: peak)
        }
        let total = UInt64(max(0, sysconf(Int32(_SC_PHYS_PAGES)))) * UInt64(Self.page)
        let available = UInt64(max(0, sysconf(Int32(_SC_AVPHYS_PAGES)))) * UInt64(Self.page)
        return DeviceMemoryUse(total: total, available: available, used: used, peak: peak)
    }
}

/// A CUDA device that this machine does not have, for tests: sessions run on the CPU provider, with device memory that
/// the host cannot read.
package enum DeviceEmulation {
    private static let backends = Mutex<[Int32: HostBackend]>([:])

    /// From now on `cuda:ordinal` is emulated in this process.
    package static func start(_ ordinal: Int32) {
        backends.withLock { $0[ordinal] = $0[ordinal] ?? HostBackend(.cuda(ordinal), isGuarded: true) }
    }

    /// The stand-in for a device; `nil` unless it is emulated.
    package static func backend(_ ordinal: Int32) -> HostBackend? { backends.withLock { $0[ordinal] } }
}
