import Glibc

@testable import Dama
@testable import DamaSupport

private let folder: String = {
    let path = "/dev/shm/dama-fuzz-\(getpid())"
    mkdir(path, 0o700)
    return path
}()

/// The journal of a scoring job, and its ring of embeddings. Any records with valid checksums give a ``DamaError``, or
/// a job that can be resumed and reported.
///
/// The input is cut into records by a length of two bytes before each; a length with its highest bit set marks a slot
/// of the ring.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzJournal(_ data: UnsafePointer<UInt8>, _ size: Int) -> CInt {
    var rest = UnsafeBufferPointer(start: data, count: size)[...]
    var journal = ByteWriter()
    journal.append(Array("DAMAJNL2".utf8))
    append(Array(#"{"a":1}"#.utf8), to: &journal)
    var ring: [UInt8] = []
    while rest.count >= 2 {
        let length = Int(rest[rest.startIndex]) | Int(rest[rest.startIndex + 1]) << 8
        rest = rest.dropFirst(2)
        let record = Array(rest.prefix(length & 0x7FFF))
        rest = rest.dropFirst(record.count)
        if length & 0x8000 == 0 {
            append(record, to: &journal)
        } else {
            // Position, key and two numbers.
            var slot = ByteWriter()
            slot.append(record.prefix(48) + [UInt8](repeating: 0, count: max(0, 48 - record.count)))
            ring += slot.checksummed()
        }
    }
    do throws(DamaError) {
        try Files.writeAtomically(journal.bytes, to: "\(folder)/journal")
        try Files.writeAtomically(ring, to: "\(folder)/embeddings")
    } catch {
        fatalError("\(error)")
    }
    try? takeUp()
    return 0
}

private func append(_ record: [UInt8], to journal: inout ByteWriter) {
    journal.append(UInt32(record.count))
    journal.append(CRC32.of(record))
    journal.append(record)
}

private func takeUp() throws(DamaError) {
    var journal = try RowJournal(path: "\(folder)/journal", settings: ["a": 1])
    // Few slots, so that the ring wraps around.
    let cache = try EmbeddingCache(
        path: "\(folder)/embeddings", dimension: 2, byteLimit: 8 * 168, stored: journal.state)
    for index in 0..<3 {
        let key = ContentKey(sentence: "\(index)")
        _ = cache.value(key)
        cache.insert(key, [Float(index), 1])
        try cache.commit()
        guard cache.value(key) == [Float(index), 1] else { fatalError("an embedding is gone") }
    }
    try journal.append(BlockOutcome(rows: [.rejected(Array("{}".utf8))], state: cache.stateBytes, images: [[]]))
    var options = ScoreOptions(data: "data", output: "\(folder)/scores.jsonl")
    for source in [ScoreOptions.DeltaSource.probabilities, .scores] {
        options.deltaSource = source
        let files = try ResultFolder(
            JobPaths(output: options.rows.output, hasRun: true), data: options.rows.data, restart: true)
        var output = try ResultFile("output", in: files)
        _ = try ScoreReport(options: options).write(journal, to: &output, in: files) { () throws(DamaError) in }
    }
}
