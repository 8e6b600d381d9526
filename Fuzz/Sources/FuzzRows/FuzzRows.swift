import Dama

/// Datasets: any bytes are rows or rejections, the same ones however the bytes arrive, each within its limit; a row is a
/// pair or a rejection with a reason of one line.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzRows(_ data: UnsafePointer<UInt8>, _ size: Int) -> CInt {
    // The first byte says how the bytes are cut into pieces, the second how long a row may be.
    guard size >= 2 else { return 0 }
    let (step, limit) = (Int(data[0]) + 1, Int(data[1]) + 1)
    let bytes = UnsafeRawBufferPointer(start: data + 2, count: size - 2)
    let whole = cut(bytes, step: max(1, bytes.count), limit: limit)
    guard cut(bytes, step: step, limit: limit) == whole else {
        fatalError("rows depend on the pieces of \(step) bytes")
    }
    let names = FieldNames()
    for (index, row) in whole.enumerated() {
        guard row.index == index, row.bytes.count <= limit, row.line >= 1 else { fatalError("a wrong row: \(row)") }
        do throws(Rejection) {
            let pair = try PairRecord(row, names: names)
            guard !pair.image.isEmpty else { fatalError("a pair without an image") }
        } catch {
            guard !error.reason.isEmpty, !error.reason.utf8.contains(0x0A) else {
                fatalError("no line: \(error.reason)")
            }
        }
    }
    return 0
}

private func cut(_ bytes: UnsafeRawBufferPointer, step: Int, limit: Int) -> [RawRow] {
    var cutter = RowCutter(rowLimit: limit)
    var rows: [RawRow] = []
    for start in stride(from: 0, to: bytes.count, by: step) {
        let piece = UnsafeRawBufferPointer(rebasing: bytes[start..<min(start + step, bytes.count)])
        cutter.consume(piece, into: &rows)
    }
    cutter.finish(into: &rows)
    return rows
}
