import DamaRuntime
import DamaSupport
import Synchronization

/// The memory that small parameters of a policy share, so that one kernel handles many of them: starting one takes
/// longer than updating the matrices of an adapter.
final class DeviceSlabs: Sendable {
    private let slabs = Mutex<[Slab]>([])

    /// Parameters side by side that all decay, or all do not.
    struct Slab: Sendable {
        let decays: Bool
        /// Vectors. What lies between parameters stays 0.
        let tensors: DeviceTensors
        fileprivate var used = 0
    }

    var all: [Slab] { slabs.withLock { $0 } }

    /// Makes room for those of some parameters that are small, which are then made in this order.
    func reserve(_ shapes: [[Int]], on place: DevicePlace) throws(DamaError) {
        for (decays, count) in Self.layout(shapes) {
            let slab = Slab(decays: decays, tensors: try DeviceTensors(place, shape: [count]))
            slabs.withLock { $0.append(slab) }
        }
    }

    /// The next room for a parameter; `nil` if it is not small, or there is none.
    func take(_ shape: [Int]) throws(DamaError) -> DeviceTensors? {
        guard let room = Self.room(shape) else { return nil }
        let found = slabs.withLock { slabs -> (slab: Slab, start: Int)? in
            let decays = Parameter.decays(shape)
            let place = slabs.firstIndex { $0.decays == decays && $0.used + room <= $0.tensors.working.count }
            guard let place else { return nil }
            defer { slabs[place].used += room }
            return (slabs[place], slabs[place].used)
        }
        guard let (slab, start) = found else { return nil }
        return try DeviceTensors(slab.tensors, start..<start + shape.reduce(1, *), shape: shape)
    }

    // MARK: Layout

    /// The most numbers of a small parameter, of a slab, and what starts of parameters are multiples of: 256 bytes of
    /// 16-bit numbers.
    static let mostOfParameter = 1 << 22
    static let mostOfSlab = 1 << 26
    private static let step = 128

    /// The numbers that a parameter takes up in a slab; `nil` if it is not small.
    private static func room(_ shape: [Int]) -> Int? {
        var count = 1
        for length in shape {
            let (product, overflow) = count.multipliedReportingOverflow(by: length)
            guard length > 0, !overflow, product <= mostOfParameter else { return nil }
            count = product
        }
        return (count + step - 1) / step * step
    }

    /// The slabs of some parameters, in numbers.
    static func layout(_ shapes: [[Int]]) -> [(decays: Bool, count: Int)] {
        var slabs: [(decays: Bool, count: Int)] = []
        for shape in shapes {
            guard let room = room(shape) else { continue }
            let decays = Parameter.decays(shape)
            if let last = slabs.lastIndex(where: { $0.decays == decays }), slabs[last].count + room <= mostOfSlab {
                slabs[last].count += room
            } else {
                slabs.append((decays, room))
            }
        }
        return slabs
    }

    /// Whether a parameter of this shape lies in a slab.
    static func holds(_ shape: [Int]) -> Bool { room(shape) != nil }
}
