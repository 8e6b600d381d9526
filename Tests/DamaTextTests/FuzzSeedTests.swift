import DamaSupport
import DamaTestSupport
import XCTest

@testable import DamaText

/// The seeds of the fuzz targets of tokenizers are valid files whose texts have tokens: from seeds that are refused,
/// fuzzing hardly gets beyond the reader.
final class FuzzSeedTests: XCTestCase {
    private func seeds(_ target: String) throws -> [(name: String, bytes: [UInt8])] {
        let folder = Fixtures.path("../../../Fuzz/Corpus/\(target)")
        return try Files.names(in: folder).map { ($0, try Files.read("\(folder)/\($0)")) }
    }

    func testTokenizerFiles() throws {
        let seeds = try seeds("Tokenizer")
        XCTAssertFalse(seeds.isEmpty)
        for (name, bytes) in seeds {
            let end = try XCTUnwrap(bytes.firstIndex(of: 0), name)
            let tokenizer = try Tokenizer(json: JSON(parsing: bytes[..<end]))
            XCTAssertGreaterThan(Set(try tokenizer.encode(bytes: bytes[(end + 1)...])).count, 3, name)
        }
    }

    func testSentencePieceModels() throws {
        let seeds = try seeds("SentencePiece")
        XCTAssertFalse(seeds.isEmpty)
        for (name, bytes) in seeds {
            let length = Int(try XCTUnwrap(bytes.first, name))
            let model = try SentencePieceModel(Array(bytes[(length + 1)...]))
            let tokenizer = try Tokenizer(model, SentencePieceSettings(nil), roles: TokenizerConfiguration())
            XCTAssertGreaterThan(Set(try tokenizer.encode(bytes: bytes[1..<length + 1])).count, 3, name)
        }
    }
}
