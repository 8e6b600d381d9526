import DamaSupport

/// What runs of a session take and return, in order. Made once for many runs, which then handle no names.
package final class RunPorts: Sendable {
    package let inputs: [String]
    package let outputs: [String]
    let inputNames: CStrings
    let outputNames: CStrings
    /// Whether an output stays on the session's device, for each output.
    let stays: [Bool]

    /// - Parameter resident: outputs that stay on the session's device.
    package init(inputs: [String], outputs: [String], resident: Set<String> = []) {
        (self.inputs, self.outputs) = (inputs, outputs)
        (inputNames, outputNames) = (CStrings(inputs), CStrings(outputs))
        stays = outputs.map(resident.contains)
    }

    /// All inputs and outputs of `session`; the outputs stay on its device.
    package convenience init(allOf session: Session) {
        let outputs = session.outputs.map(\.name)
        self.init(inputs: session.inputs.map(\.name), outputs: outputs, resident: Set(outputs))
    }
}

/// Strings as C takes them, for as long as this object lives.
final class CStrings: @unchecked Sendable {
    private let bytes: UnsafeMutableBufferPointer<CChar>
    let pointers: [UnsafePointer<CChar>?]

    init(_ strings: [String]) {
        let all = strings.map(\.utf8CString)
        bytes = .allocate(capacity: max(1, all.reduce(0) { $0 + $1.count }))
        var (pointers, start): ([UnsafePointer<CChar>?], Int) = ([], 0)
        for string in all {
            _ = UnsafeMutableBufferPointer(rebasing: bytes[start..<start + string.count]).initialize(from: string)
            pointers.append(bytes.baseAddress.map { UnsafePointer($0 + start) })
            start += string.count
        }
        self.pointers = pointers
    }

    deinit { bytes.deallocate() }
}

/// Calls `body` with the strings as C strings.
func withCStrings<Result>(
    _ strings: [String], _ body: (UnsafePointer<UnsafePointer<CChar>?>?) throws(DamaError) -> Result
) throws(DamaError) -> Result {
    let list = CStrings(strings)
    defer { withExtendedLifetime(list) {} }
    return try list.pointers.withUnsafeBufferPointer { pointers throws(DamaError) in try body(pointers.baseAddress) }
}
