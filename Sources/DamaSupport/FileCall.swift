import Glibc
import Synchronization

/// A system call that opens, changes or removes something in the file system.
///
/// The library writes through ``OpenFile`` and ``Files`` alone, which announce each call here first. Tests use this to
/// make a call fail, and to record what a power failure could undo.
package enum FileCall {
    /// - Parameter creates: Whether a missing file is created.
    case open(path: String, creates: Bool)
    case write(path: String, offset: Int, bytes: UnsafeRawBufferPointer)
    case truncate(path: String, size: Int)
    /// Makes a file's contents survive a power failure.
    case synchronize(path: String)
    /// Makes a directory's entries survive a power failure.
    case synchronizeDirectory(path: String)
    case rename(from: String, to: String)
    case exchange(a: String, b: String)
    case makeDirectory(path: String)
    case remove(path: String)

    /// Called before every call; returns 0, or the `errno` with which the call must fail.
    package typealias Hook = @Sendable (borrowing FileCall) -> Int32

    private static let hook = Mutex<Hook?>(nil)
    private static let isHooked = Atomic(false)

    /// Sets the hook, for tests; `nil` removes it.
    package static func setHook(_ new: Hook?) {
        hook.withLock { $0 = new }
        isHooked.store(new != nil, ordering: .releasing)
    }

    /// Whether the call may proceed; if not, `errno` gives the reason.
    static func allows(_ call: @autoclosure () -> FileCall) -> Bool {
        guard isHooked.load(ordering: .acquiring), let hook = hook.withLock({ $0 }) else { return true }
        let code = hook(call())
        errno = code
        return code == 0
    }
}
