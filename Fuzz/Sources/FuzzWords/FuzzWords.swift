@testable import DamaArchive
@testable import DamaSupport
@testable import DamaWords

/// The files that word data is made of, word data, and text. The first byte says which: any bytes give a ``DamaError``
/// or a value, and any text gives words whose number of tags is theirs.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzWords(_ data: UnsafePointer<UInt8>, _ size: Int) -> CInt {
    let raw = UnsafeRawBufferPointer(start: data, count: size)
    guard let kind = raw.first else { return 0 }
    let rest = Array(raw.dropFirst())
    switch kind % 4 {
    case 0: rest.withUnsafeBytes(readArchive)
    case 1:
        if let model = try? TaggerModel(pickle: rest) { _ = try? model.sections() }
    case 2:
        // Changes to a good file, three bytes each, under a right checksum, which a fuzzer cannot find.
        var body = Array(small.dropLast(4))
        for start in stride(from: 0, to: rest.count - 2, by: 3) {
            body[(Int(rest[start]) | Int(rest[start + 1]) << 8) % body.count] = rest[start + 2]
        }
        var file = ByteWriter()
        file.append(body)
        file.checksummed().withUnsafeBytes { bytes in
            if let words = try? WordData(bytes) { read("Dr. Smith's dogs can't see \"men\" at 5 p.m. e.g. in", words) }
        }
    default:
        let rules = WordRules.allCases[Int(kind / 4) % WordRules.allCases.count]
        small.withUnsafeBytes { bytes in
            if let words = try? WordData(bytes, rules: rules) { read(String(decoding: rest, as: UTF8.self), words) }
        }
    }
    return 0
}

private func read(_ text: String, _ words: WordData) {
    let tokens = words.tokens(text)
    guard words.tags(tokens).count == tokens.count else { fatalError("a token without a tag") }
    for token in tokens where words.nounLemma(token).isEmpty { fatalError("a lemma is empty") }
    for sentence in words.sentences(text) where sentence.utf8.count > text.utf8.count { fatalError("a long sentence") }
}

private func readArchive(_ bytes: UnsafeRawBufferPointer) {
    guard let directory = try? ZipDirectory(bytes) else { return }
    for name in directory.names {
        guard let member = directory[name] else { fatalError("\(name) is not there") }
        guard let data = try? ZipFile.data(of: member, in: bytes, limit: 1 << 24) else { continue }
        if data.count != member.size { fatalError("\(name) has \(data.count) bytes") }
    }
}

/// Word data with a few entries in each table.
private let small: [UInt8] = {
    let tables: [WordFile.Section: [ExactText: UInt32]] = [
        .features: [ExactText("bias"): 0, ExactText("i word dogs"): 2], .dictionary: [ExactText("the"): 0],
        .abbreviations: [ExactText("dr"): 0, ExactText("e.g"): 0], .collocations: [ExactText("5\np.m"): 0],
        .starters: [ExactText("the"): 0], .contexts: [ExactText("the"): 2 | 16 | 32, ExactText("men"): 4],
        .nouns: [ExactText("dog"): 0, ExactText("man"): 0], .exceptions: [ExactText("men"): 1],
    ]
    var sections = tables.compactMapValues { try? StringTable.encoded($0) }
    sections[.tags] = Array("DT\nNN".utf8)
    sections[.weights] = [1, 0, 0, 0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0]
    sections[.identity] = Array("{}".utf8)
    return WordFile.encoded(sections)
}()
