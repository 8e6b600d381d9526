import DamaArchive
import DamaSupport
import DamaTestSupport
import XCTest

/// Pickles of Python (Fixtures/make_archives.py). Hostile ones: TorchFileTests, and FuzzTorch.
final class PickleReaderTests: XCTestCase {
    private func read(_ name: String) throws -> Pickle {
        try Files.read(Fixtures.path("\(name).pickle")).withUnsafeBytes { bytes throws(DamaError) in
            try PickleReader.read(bytes) { name throws(DamaError) in
                guard name.name == "set" else { throw .unsupported("refers to \(name.text)") }
            }
        }
    }

    /// A value as Python's `repr` writes it.
    private func text(_ value: PickleValue, _ pickle: Pickle) -> String {
        switch value {
        case .none: "None"
        case .bool(let value): value ? "True" : "False"
        case .int(let value): "\(value)"
        case .double(let value): "\(value)"
        case .text(let value): "'\(value)'"
        case .list(let index): "[\(pickle.sequences[index].map { text($0, pickle) }.joined(separator: ", "))]"
        case .tuple(let index): "(\(pickle.sequences[index].map { text($0, pickle) }.joined(separator: ", ")))"
        case .dictionary(let index):
            "{\(pickle.dictionaries[index].map { "\(text($0, pickle)): \(text($1, pickle))" }.joined(separator: ", "))}"
        case .call(let index):
            "\(pickle.calls[index].function.text)"
                + "(\(pickle.calls[index].arguments.map { text($0, pickle) }.joined(separator: ", ")))"
        case .name, .persistent: pickle.kind(of: value)
        }
    }

    func testPlainDataEqualsPython() throws {
        for (file, module) in [("plain2", "__builtin__"), ("plain3", "builtins")] {
            let pickle = try read(file)
            XCTAssertEqual(
                text(pickle.root, pickle),
                "({'a': {'NN': 0.5, 'VB': -0.00125}, 'b': {}}, [1, -2, 300, 70000, 1099511627776, None, True, False], "
                    + "\(module).set(['x']), ('é'))")
        }
        let old = try read("python2")
        XCTAssertEqual(text(old.root, old), "{'one': 1, 'two': 2}")
    }

    func testNamesAreRefusedUnlessAllowed() {
        for program in ["\u{2}cposix\nsystem\n.", "\u{2}cbuiltins\neval\n)R."] {
            assertFails(.unsupported, "refers to ") {
                _ = try ([0x80] + Array(program.utf8)).withUnsafeBytes { bytes throws(DamaError) in
                    try PickleReader.read(bytes) { name throws(DamaError) in
                        throw .unsupported("refers to \(name.text)")
                    }
                }
            }
        }
    }
}
