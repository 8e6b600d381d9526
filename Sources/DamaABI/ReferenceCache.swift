import CDama
import Dama

/// The cache of a caller's handle.
private func cache(_ handle: OpaquePointer?) throws -> ReferenceCache {
    guard let handle else { throw DamaError.invalidArgument("cache is NULL") }
    return Unmanaged<ReferenceCache>.fromOpaque(UnsafeRawPointer(handle)).takeUnretainedValue()
}

@c @implementation
public func dama_reference_cache_open(
    _ out: UnsafeMutablePointer<OpaquePointer?>?, _ path: UnsafePointer<CChar>?, _ policy: OpaquePointer?
) -> dama_status {
    guarded {
        let out = try require(out, "out")
        let path = try string(path, "path")
        let cache =
            policy == nil
            ? try ReferenceCache(path: path)
            : try ReferenceCache(path: path, policy: PolicyHandle.from(policy).policy)
        out.pointee = OpaquePointer(Unmanaged.passRetained(cache).toOpaque())
    }
}

@c @implementation
public func dama_reference_cache_free(_ cache: OpaquePointer?) {
    release(cache, ReferenceCache.self)
}

@c @implementation
public func dama_reference_cache_count(_ handle: OpaquePointer?) -> Int { (try? cache(handle))?.count ?? 0 }

@c @implementation
public func dama_reference_cache_contains(
    _ handle: OpaquePointer?, _ pair: UnsafePointer<dama_preference_pair>?, _ contains: UnsafeMutablePointer<Int32>?
) -> dama_status {
    guarded {
        let cache = try cache(handle)
        let pair = try PreferencePair(try require(pair, "pair").pointee, "pair")
        let contains = try require(contains, "contains")
        contains.pointee = try cache.contains(pair) ? 1 : 0
    }
}

@c @implementation
public func dama_reference_cache_logps(
    _ out: UnsafeMutablePointer<OpaquePointer?>?, _ handle: OpaquePointer?,
    _ pairs: UnsafePointer<dama_preference_pair>?, _ count: Int
) -> dama_status {
    guarded {
        let out = try require(out, "out")
        let cache = try cache(handle)
        out.pointee = LogProbabilities(try cache.logProbabilities(PreferencePair.array(pairs, count))).handle
    }
}
