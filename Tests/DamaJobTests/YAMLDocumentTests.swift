import DamaTestSupport
import XCTest

@testable import Dama

/// Configurations in YAML. The expected values are written by hand from the YAML 1.2.2 specification; those of the core
/// schema from its chapter 10.3.2.
final class YAMLDocumentTests: XCTestCase {
    private func json(_ yaml: String) throws -> JSON { try YAMLDocument.json(yaml, place: "file") }

    func testTheCoreSchema() throws {
        let values: [(String, JSON)] = [
            ("null", .null), ("Null", .null), ("NULL", .null), ("~", .null), ("", .null), ("nul", "nul"),
            ("true", true), ("True", true), ("TRUE", true), ("false", false), ("FALSE", false),
            // Values that only YAML 1.1 interprets.
            ("yes", "yes"), ("no", "no"), ("on", "on"), ("tRUE", "tRUE"), ("190:20:30", "190:20:30"),
            ("2001-12-14", "2001-12-14"), ("1_000", "1_000"), ("0b11", "0b11"),
            ("0", 0), ("-19", -19), ("+12", 12), ("007", 7), ("0o7", 7), ("0o17", 15), ("0x3A", 58), ("0xff", 255),
            ("-0x3A", "-0x3A"), ("0x", "0x"), ("0o8", "0o8"), ("0x-1", "0x-1"),
            ("0.", .double(0)), ("-0.0", .double(-0.0)), (".5", .double(0.5)), ("+12e03", .double(12000)),
            ("-2E+05", .double(-200_000)), ("5e-7", .double(5e-7)), ("1e-3", .double(0.001)), ("1.5e", "1.5e"),
            (".", "."), ("-", "-"), ("+", "+"), ("e5", "e5"), ("1e+", "1e+"), ("1.2.3", "1.2.3"), ("nan", "nan"),
            // Beyond 64 bits.
            ("123456789012345678901", .double(123_456_789_012_345_678_901)),
            ("'12'", "12"), ("\"true\"", "true"), ("!!str 12", "12"), ("!!float 12", .double(12)),
            ("!!int '12'", 12), ("!!null ''", .null), ("! 12", "12"),
        ]
        for (text, value) in values where text != "-" {
            XCTAssertEqual(try json("a: \(text)\n")["a"] ?? .null, value, text)
        }
    }

    func testStylesOfTexts() throws {
        let yaml = """
            # A comment.
            plain: two
              lines
            single: 'it''s'
            double: "a\\tb\\u263A"
            literal: |
              one
               two
            folded: >-
              one
              two

              three
            list:
            - a
            - [b, {c: d}]
            - key: value
            "quoted key": 1
            ? complex
            : 2
            """
        let found = try json(yaml)
        XCTAssertEqual(
            found,
            [
                "plain": "two lines", "single": "it's", "double": "a\tb\u{263A}", "literal": "one\n two\n",
                "folded": "one two\nthree", "list": ["a", ["b", ["c": "d"]], ["key": "value"]], "quoted key": 1,
                "complex": 2,
            ])
        // JSON is YAML.
        XCTAssertEqual(try json(#"{"a": [1, 2.5, "x", null, true]}"#), ["a": [1, .double(2.5), "x", .null, true]])
        XCTAssertEqual(try json("# nothing\n"), .null)
        XCTAssertEqual(try json(""), .null)
        XCTAssertEqual(try json("\u{FEFF}a: 1\n"), ["a": 1])
    }

    func testAnchorsAndAliases() throws {
        XCTAssertEqual(
            try json("a: &x [1, 2]\nb: *x\n&k c: *x\nd: *k\n"), ["a": [1, 2], "b": [1, 2], "c": [1, 2], "d": "c"])
        // The later of two anchors with the same name applies from there on.
        XCTAssertEqual(try json("[&x 1, *x, &x 2, *x]"), [1, 1, 2, 2])
        let line = "[" + Array(repeating: "*x", count: 16).joined(separator: ",")
        XCTAssertEqual(try json("- &x 1\n- \(line)]\n").array?[1].array?.count, 16)
        assertFails(.invalidArgument, "file, line 2: the text has more than 16 aliases") {
            _ = try self.json("- &x 1\n- \(line),*x]\n")
        }
        assertFails(.invalidArgument, "line 1: the alias *x has no anchor before it") {
            _ = try self.json("a: *x\nb: &x 1\n")
        }
        // An incomplete value cannot contain itself.
        assertFails(.invalidArgument, "the alias *x has no anchor before it") { _ = try self.json("&x [*x]") }
    }

    /// Errors name the line.
    func testErrors() throws {
        let failures: [(String, String)] = [
            ("a: 1\nb: [1, 2\nc: 3\n", "file, line 3: did not find expected ',' or ']'"),
            ("a: 1\n\tb: 2\n", "file, line 2: found a tab character"),
            ("a: \"open\n", "found unexpected end of stream"), ("a: b: c\n", "line 1: mapping values are not allowed"),
            ("a: 1\n---\nb: 2\n", "file, line 2: the text has a second document"),
            ("a: .inf\n", "line 1: .inf is not a finite number"), ("a: -.INF\n", "-.INF is not a finite number"),
            ("a: .nan\n", ".nan is not a finite number"), ("x: 1\na: 1e999\n", "line 2: 1e999 is not a finite number"),
            ("a: !!int x\n", "\"x\" does not match its tag !!int"), ("a: !ours x\n", "the tag !ours is not supported"),
            ("a: !!set {x: 1}\n", "tag"), ("? [a]\n: 1\n", "line 1: a key is not text"),
            ("a: \u{1}\n", "control characters are not allowed"), ("%YAML 9.0\n---\na: 1\n", "incompatible YAML"),
        ]
        for (yaml, text) in failures {
            assertFails(.invalidArgument, text) { _ = try self.json(yaml) }
        }
    }

    func testOverrides() throws {
        let yaml = "model: m\ndata: d\nout: o\nmethod: {beta: 0.1, keep: 3}\n"
        let settings = try TrainSettings(
            yaml: yaml, overrides: ["method.beta=0.2", "optimizer.learning_rate=1e-3", "batch_size=4", "seed=9"],
            place: "file")
        XCTAssertEqual(settings.job.method.beta, 0.2)
        XCTAssertEqual(settings.job.method.keep, .count(3))
        XCTAssertEqual(settings.job.optimizer.learningRate, 1e-3)
        XCTAssertEqual(settings.job.batchSize, 4)
        XCTAssertEqual(settings.job.method.seed, 9, "the method draws from the job's seed")
        let deep = String(repeating: "a.", count: 100_000) + "a=1"
        for (override, text) in [
            ("method.beta", "expected key=value"), ("=1", "expected key=value"), (deep, "nested too deeply"),
            ("seed.deep=1", "is a string"), ("method.beta=[", "the override \"method.beta=[\", line 2"),
        ] {
            assertFails(.invalidArgument, text) {
                _ = try TrainSettings(yaml: "seed: x\n" + yaml, overrides: [override], place: "file")
            }
        }
    }
}
