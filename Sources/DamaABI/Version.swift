import CDama
import CDamaShims
import Dama

@c @implementation
public func dama_abi_version() -> UInt32 { UInt32(DAMA_ABI_VERSION) }

@c @implementation
public func dama_version_string() -> UnsafePointer<CChar>? {
    // Static storage: the pointer is valid as long as the process.
    UnsafeRawPointer(libraryVersion.utf8Start).assumingMemoryBound(to: CChar.self)
}

@c @implementation
public func dama_error_message() -> UnsafePointer<CChar>? { cdama_error_get() }
