@testable import DamaArchive
@testable import DamaEvaluation
@testable import DamaSupport

/// What word vectors come in. The first byte says which: any bytes give a ``DamaError`` or a value that fits the bytes.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzVectors(_ data: UnsafePointer<UInt8>, _ size: Int) -> CInt {
    let raw = UnsafeRawBufferPointer(start: data, count: size)
    guard let kind = raw.first else { return 0 }
    let rest = Array(raw.dropFirst())
    switch kind % 3 {
    case 0: readMatrix(rest)
    case 1:
        var count = 0
        try? MessagePackMap.forEach(in: rest) { _, _ in count += 1 }
        if 2 * count > rest.count { fatalError("\(count) entries in \(rest.count) bytes") }
    default: rest.withUnsafeBytes { readPieces($0, size: 1 + Int(kind / 3)) }
    }
    return 0
}

private func readMatrix(_ bytes: [UInt8]) {
    guard let header = try? NumpyHeader(bytes, fileSize: bytes.count) else { return }
    if header.size + header.rows * header.rowSize != bytes.count { fatalError("\(header) in \(bytes.count) bytes") }
}

/// The pieces of a member are its data.
private func readPieces(_ bytes: UnsafeRawBufferPointer, size: Int) {
    guard let directory = try? ZipDirectory(bytes) else { return }
    for name in directory.names {
        guard let member = directory[name], member.size < 1 << 20 else { continue }
        let whole = try? ZipFile.data(of: member, in: bytes, limit: 1 << 20)
        var pieces: [UInt8] = []
        var isWhole = false
        if var stream = try? ZipStream(member, in: bytes, pieceSize: size) {
            do {
                while try stream.next({ pieces += $0 }) {}
                isWhole = true
            } catch {}
        }
        if (isWhole ? pieces : nil) != whole { fatalError("\(name) has other pieces") }
    }
}
