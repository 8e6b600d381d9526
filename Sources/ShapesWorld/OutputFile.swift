import DamaSupport
import Glibc

/// A new file that is written through a buffer.
final class OutputFile {
    private let path: String
    private let stream: UnsafeMutablePointer<FILE>
    private var isOpen = true

    init(path: String) throws(DamaError) {
        guard let stream = fopen(path, "wb") else { throw .io("cannot create \(path): \(describeErrno())") }
        self.path = path
        self.stream = stream
    }

    func write(_ bytes: [UInt8]) throws(DamaError) {
        guard fwrite(bytes, 1, bytes.count, stream) == bytes.count else {
            throw .io("cannot write \(path): \(describeErrno())")
        }
    }

    func write(line: JSON) throws(DamaError) { try write(Array((line.text + "\n").utf8)) }

    func close() throws(DamaError) {
        isOpen = false
        guard fclose(stream) == 0 else { throw .io("cannot write \(path): \(describeErrno())") }
    }

    deinit { if isOpen { fclose(stream) } }
}
