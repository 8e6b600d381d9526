@testable import Dama
@testable import DamaSupport

/// Datasets: any bytes give rows or rejections, the same ones however the bytes arrive, each within its limit and at
/// its stated position. A row in any form gives a pair and a question, or a rejection with a reason of one line.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzRows(_ data: UnsafePointer<UInt8>, _ size: Int) -> CInt {
    // The first byte sets the size of the pieces that arrive, the second the longest row.
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
        guard row.bytes.isEmpty || bytes[row.offset..<row.offset + row.bytes.count].elementsEqual(row.bytes) else {
            fatalError("row \(index) does not lie at byte \(row.offset)")
        }
        var pair: PairRecord?
        expectLine { () throws(Rejection) in pair = try PairRecord(row, names: names) }
        if let pair { check(pair, row) }
        expectLine { () throws(Rejection) in
            let question = try QuestionRecord(row, names: names, takesImage: true)
            // A pair has the prompt of its question.
            guard let pair else { return }
            guard question.images == pair.images, question.id == pair.id, question.messages == pair.messages else {
                fatalError("another question: \(question), \(pair)")
            }
        }
    }
    return 0
}

private func check(_ pair: PairRecord, _ row: RawRow) {
    guard !pair.images.isEmpty else { fatalError("a pair without an image") }
    for image in pair.images {
        switch image {
        case .path(let path): guard !path.isEmpty else { fatalError("an image without a path") }
        case .bytes(let bytes): guard !bytes.isEmpty else { fatalError("an image without bytes") }
        }
    }
    guard !pair.chosen.isEmpty, !pair.rejected.isEmpty else { fatalError("a pair without a response") }
    // Ids are compared in their written form.
    guard let id = try? JSON(parsing: pair.id.text.utf8, numbers: .asWritten), id == pair.id else {
        fatalError("the id \(pair.id.text) is not read back")
    }
}

private func expectLine(_ read: () throws(Rejection) -> Void) {
    do throws(Rejection) {
        try read()
    } catch {
        guard !error.reason.isEmpty, !error.reason.utf8.contains(0x0A) else { fatalError("no line: \(error.reason)") }
    }
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
