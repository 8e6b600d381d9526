import Glibc
import Synchronization

/// A call to the system that opens, changes or removes something in the file system.
///
/// All writing of the library goes through ``OpenFile`` and ``Files``, which announce each call here first. Tests use it
/// to make a call fail, and to note what a power failure could take back.
package enum FileCall {
    /// - Parameter creates: whether a file is made where there is none.
    case open(path: String, creates: Bool)
    case write(path: String, offset: Int, bytes: UnsafeRawBufferPointer)
    case truncate(path: String, size: Int)
    /// Makes a file's contents last through a power failure.
    case synchronize(path: String)
    /// Makes a directory's names last through a power failure.
    case synchronizeDirectory(path: String)
    case rename(from: String, to: String)
    case exchange(a: String, b: String)
    case makeDirectory(path: String)
    case remove(path: String)

    /// Told of every call before it is made; the result is 0, or the `errno` that the call is to fail with.
    package typealias Hook = @Sendable (borrowing FileCall) -> Int32

    private static let hook = Mutex<Hook?>(nil)
    private static let isHooked = Atomic(false)

    /// For tests: `nil` ends it.
    package static func setHook(_ new: Hook?) {
        hook.withLock { $0 = new }
        isHooked.store(new != nil, ordering: .releasing)
    }

    /// Whether the call is to be made; where not, `errno` says why it failed.
    static func allows(_ call: @autoclosure () -> FileCall) -> Bool {
        guard isHooked.load(ordering: .acquiring), let hook = hook.withLock({ $0 }) else { return true }
        let code = hook(call())
        errno = code
        return code == 0
    }
}
