import CDamaShims
import Glibc

/// The number of processors that this process may use.
package enum Processors {
    /// The number, if an affinity mask or a control group's quota limits it below that of the machine.
    package static var restricted: Int? {
        let usable = usable
        return usable < online ? usable : nil
    }

    /// The processors of the machine, limited by the affinity mask and the control group's quota; at least 1.
    package static var usable: Int {
        var count = online
        let allowed = Int(cdama_allowed_processors())
        if allowed > 0 { count = min(count, allowed) }
        // "MAX PERIOD" in microseconds; MAX is "max" if there is no limit. In a container it is that of the container.
        if let bytes = try? Files.readSmall("/sys/fs/cgroup/cpu.max") {
            let parts = String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isWhitespace)
            if parts.count == 2, let quota = Double(parts[0]), let period = Double(parts[1]), quota > 0, period > 0 {
                count = min(count, Int(exactly: (quota / period).rounded(.up)) ?? count)
            }
        }
        return max(1, count)
    }

    private static var online: Int { max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN))) }
}

extension Files {
    /// The first 4096 bytes of a kernel file, which has no size to map.
    fileprivate static func readSmall(_ path: String) throws(DamaError) -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .io("cannot open \(path): \(describeErrno())") }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = Glibc.read(descriptor, &bytes, bytes.count)
        guard count >= 0 else { throw .io("cannot read \(path): \(describeErrno())") }
        return Array(bytes.prefix(count))
    }
}
