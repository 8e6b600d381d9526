import DamaArchive
import DamaSupport

/// The vectors of some words, out of the wheel of a spaCy pipeline. The wheel is not unpacked: its matrix, which can
/// have hundreds of megabytes, streams by, and the rows that are needed stay.
package struct WordVectors: Sendable {
    /// The pipeline's language and name: `en_core_web_lg`.
    package let name: String
    package let version: String
    /// The vectors of the tokens that have one.
    private let vectors: [ExactText: [Float]]

    /// - Parameters:
    ///   - words: Words of letters, digits and hyphens.
    ///   - pieceSize: The bytes of the matrix that are in memory at a time; the first ones hold its header.
    /// - Throws: ``DamaError/Code/model`` if the file is no wheel of a spaCy pipeline with vectors, or damaged;
    ///   ``DamaError/Code/unsupported`` for vectors that are not one row for each word; ``DamaError/Code/io`` if it
    ///   cannot be read. The message names the file.
    package init(of words: [String], fromWheel path: String, pieceSize: Int = 1 << 20) throws(DamaError) {
        let wheel = try ZipFile(path: path)
        let keysName = "/vocab/key2row"
        guard let keys = wheel.names.first(where: { $0.utf8.reversed().starts(with: keysName.utf8.reversed()) }) else {
            throw .model("\(path): the wheel has no word vectors (no …\(keysName)); expected that of en_core_web_lg")
        }
        let root = String(decoding: keys.utf8.dropLast(keysName.utf8.count), as: UTF8.self)
        do throws(DamaError) {
            let meta = try JSON(parsing: try wheel.contents(of: "\(root)/meta.json", limit: 1 << 24))
            guard let language = meta["lang"]?.string, let name = meta["name"]?.string,
                let version = meta["version"]?.string
            else { throw .model("meta.json has no lang, name or version") }
            self.name = "\(language)_\(name)"
            self.version = version
            try Self.check(wheel, "\(root)/vocab/vectors.cfg")
            let tokens = Set(words.flatMap(Self.tokens).map(ExactText.init))
            let rows = try Self.rows(of: tokens, try wheel.contents(of: keys, limit: 1 << 30))
            vectors = try Self.read(rows, of: wheel, "\(root)/vocab/vectors", pieceSize)
        } catch {
            throw error.message.utf8.starts(with: path.utf8)
                ? error : DamaError(error.code, "\(path): \(error.message)")
        }
    }

    /// spaCy's tokens of a word of letters, digits and hyphens: a hyphen between letters is one of its own.
    package static func tokens(_ word: String) -> [String] {
        var tokens: [String] = []
        var start = word.unicodeScalars.startIndex
        let scalars = word.unicodeScalars
        for index in scalars.indices where scalars[index] == "-" && index > scalars.startIndex {
            let next = scalars.index(after: index)
            guard next < scalars.endIndex, scalars[scalars.index(before: index)].properties.isAlphabetic,
                scalars[next].properties.isAlphabetic
            else { continue }
            tokens += [String(scalars[start..<index]), "-"]
            start = next
        }
        return tokens + [String(scalars[start...])]
    }

    /// The mean of the vectors of a word's tokens, in 32 bits as spaCy computes it; a token without a vector counts as
    /// zeros. `nil` if no token has a vector, or if their mean is zero.
    package func vector(of word: String) -> [Float]? {
        let tokens = Self.tokens(word)
        let known = tokens.compactMap { vectors[ExactText($0)] }
        guard let first = known.first else { return nil }
        let sum = known.dropFirst().reduce(first) { sum, vector in zip(sum, vector).map(+) }
        let mean = tokens.count == 1 ? sum : sum.map { $0 / Float(tokens.count) }
        return mean.allSatisfy { $0 == 0 } ? nil : mean
    }

    // MARK: Reading

    /// Refuses vectors of parts of words ("floret"), and those of another attribute than the text.
    private static func check(_ wheel: ZipFile, _ name: String) throws(DamaError) {
        guard wheel.size(of: name) != nil else { return }
        let settings = try JSON(parsing: try wheel.contents(of: name, limit: 1 << 20))
        let mode = settings["mode"]?.string ?? "default"
        guard mode == "default" else {
            throw .unsupported("the vectors have the mode \(quoted(mode)); expected \"default\"")
        }
        // spaCy's number or name of the attribute.
        let attribute = settings["attr"] ?? "ORTH"
        guard attribute == "ORTH" || attribute == 65 else {
            throw .unsupported("the vectors belong to the attribute \(attribute.text); expected ORTH")
        }
    }

    private static func rows(
        of tokens: Set<ExactText>, _ keys: [UInt8]
    ) throws(DamaError) -> [(row: Int, token: ExactText)] {
        var names: [UInt64: ExactText] = [:]
        for token in tokens { names[MurmurHash.hash64A(Array(token.text.utf8), seed: 1)] = token }
        var rows: [(row: Int, token: ExactText)] = []
        try MessagePackMap.forEach(in: keys) { key, value throws(DamaError) in
            guard let token = names[key] else { return }
            guard let row = Int(exactly: value), row >= 0 else {
                throw .model("the vector of \(quoted(token.text)) has the row \(value)")
            }
            rows.append((row, token))
        }
        return rows.sorted { $0.row < $1.row }
    }

    private static func read(
        _ wanted: [(row: Int, token: ExactText)], of wheel: ZipFile, _ name: String, _ pieceSize: Int
    ) throws(DamaError) -> [ExactText: [Float]] {
        guard let fileSize = wheel.size(of: name) else { throw .model("the wheel has no \(name)") }
        var header: NumpyHeader?
        var (found, row): ([ExactText: [Float]], [UInt8]) = ([:], [])
        var (position, next) = (0, 0)
        try wheel.forEachPiece(of: name, pieceSize: pieceSize) { piece throws(DamaError) in
            let matrix: NumpyHeader
            if let header {
                matrix = header
            } else {
                matrix = try NumpyHeader(piece, fileSize: fileSize)
                guard wanted.allSatisfy({ $0.row < matrix.rows }) else {
                    throw .model("a word has the vector \(wanted.last?.row ?? 0); there are \(matrix.rows)")
                }
                try Allocation.check(wanted.count, of: matrix.rowSize, for: "the vectors of \(wanted.count) words")
                header = matrix
            }
            defer { position += piece.count }
            while next < wanted.count, matrix.rowSize > 0 {
                // Words with one row follow each other: the row is read once.
                let start = matrix.size + wanted[next].row * matrix.rowSize + row.count
                guard start < position + piece.count else { return }
                let end = min(start + matrix.rowSize - row.count, position + piece.count)
                row += piece[(start - position)..<(end - position)]
                guard row.count == matrix.rowSize else { return }
                let vector = numbers(row)
                guard vector.allSatisfy(\.isFinite) else {
                    throw .model("the vector of \(quoted(wanted[next].token.text)) is not finite")
                }
                repeat {
                    found[wanted[next].token] = vector
                    next += 1
                } while next < wanted.count && wanted[next].row == wanted[next - 1].row
                row = []
            }
        }
        return found
    }

    private static func numbers(_ bytes: [UInt8]) -> [Float] {
        stride(from: 0, to: bytes.count - 3, by: 4).map { start in
            Float(bitPattern: bytes[start..<start + 4].reversed().reduce(0) { $0 << 8 | UInt32($1) })
        }
    }
}
