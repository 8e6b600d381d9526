import CDama
import CDamaShims

@c @implementation
public func dama_abi_version() -> UInt32 { UInt32(DAMA_ABI_VERSION) }

/// Static storage, so that the pointer stays valid for the life of the process.
private let versionString: StaticString = "0.1.0"

@c @implementation
public func dama_version_string() -> UnsafePointer<CChar>? {
    UnsafeRawPointer(versionString.utf8Start).assumingMemoryBound(to: CChar.self)
}

@c @implementation
public func dama_error_message() -> UnsafePointer<CChar>? { cdama_error_get() }
