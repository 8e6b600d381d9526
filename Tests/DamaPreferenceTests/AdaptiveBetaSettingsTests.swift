import DamaSupport
import DamaTestSupport
import XCTest

@testable import DamaPreference

/// The table of settings: every field has its name, and a file says the same as the code.
final class AdaptiveBetaSettingsTests: XCTestCase {
    private typealias Configuration = AdaptiveBeta.Configuration

    /// A change of each field, and what a message says of it.
    private let changes: [(text: String, change: (inout Configuration) -> Void)] = [
        ("beta 0.1 instead of 0.2", { $0.beta = 0.2 }),
        ("gap \"reward\" instead of \"log_ratio\"", { $0.gap = .logRatio }),
        ("normalize true instead of false", { $0.normalizes = false }),
        ("guard 0.25 instead of 0.5", { $0.guardFactor = 0.5 }),
        ("filter \"nearest\" instead of \"sample\"", { $0.filter = .sample }),
        ("keep 12 instead of 13", { $0.keep = .count(13) }),
        ("keep 12 instead of 0.5", { $0.keep = .ratio(0.5) }),
        ("sample_scale \"unit\" instead of \"running_deviation\"", { $0.sampleScale = .runningDeviation }),
        ("responsiveness \"ratio_of_mean\" instead of \"linear\"", { $0.responsiveness = .linear }),
        ("slope 0.6 instead of 0.7", { $0.slope = 0.7 }),
        ("mean_source \"kept\" instead of \"all\"", { $0.meanSource = .all }),
        ("mean_time \"after\" instead of \"before\"", { $0.meanTime = .beforeUse }),
        ("combine \"product\" instead of \"weighted\"", { $0.combination = .weightedSum }),
        ("rho 0.5 instead of 0.25", { $0.dataShare = 0.25 }),
        ("floor 0.0 instead of 0.001", { $0.floor = 0.001 }),
        ("ceiling null instead of 2.0", { $0.ceiling = 2 }),
        ("momentum 0.9 instead of 0.5", { $0.momentum = 0.5 }),
        ("seed \"0\" instead of \"18446744073709551615\"", { $0.seed = .max }),
        ("loss \"sigmoid\" instead of \"ipo\"", { $0.loss = .ipo }),
    ]

    func testADifferenceIsNamedWithBothValues() {
        let table = Configuration.table
        XCTAssertEqual(table.differences(.paper, .paper), [])
        for (text, change) in changes {
            var other = Configuration.paper
            change(&other)
            XCTAssertEqual(table.differences(.paper, other), [text])
        }
        var (cdpo, simpo) = (Configuration.paper, Configuration.paper)
        cdpo.loss = .labelSmoothed(flipRate: 0.1)
        simpo.loss = .simpo(margin: 0.5)
        XCTAssertEqual(
            table.differences(cdpo, simpo),
            [
                "loss \"cdpo\" instead of \"simpo\"", "label_smoothing 0.1 instead of null",
                "simpo_margin null instead of 0.5",
            ])
    }

    /// No stored property is without a setting. A loss with its number takes three.
    func testEveryPropertyHasASetting() {
        let properties = Mirror(reflecting: Configuration.paper).children.count
        XCTAssertEqual(Configuration.table.names.count, properties + 3, "preset, label_smoothing, simpo_margin")
        XCTAssertEqual(Set(changes.map { $0.text.prefix { $0 != " " } }).count, properties)
    }

    /// What is written is read back as the same.
    func testValuesAreReadBack() throws {
        for start in [Configuration.paper, .released, .betaDPO, .dpo, .d2po, .mdpo] {
            for (text, change) in changes {
                var wanted = start
                change(&wanted)
                var found = Configuration.paper
                try Configuration.table.read(
                    into: &found, .object(Configuration.table.values(of: wanted)), place: "state")
                XCTAssertEqual(found, wanted, text)
            }
        }
    }

    func testAPresetWithChanges() throws {
        var found = Configuration.paper
        found.seed = 7
        let json: JSON = [
            "beta": .double(0.5), "preset": "released", "loss": "robust", "label_smoothing": .double(0.2),
        ]
        try Configuration.table.read(into: &found, json, place: "method")
        var wanted = Configuration.released
        wanted.beta = 0.5
        wanted.loss = .robust(flipRate: 0.2)
        wanted.seed = 7
        XCTAssertEqual(found, wanted)
        for (json, text) in [
            (["bata": 1], "method: unknown field \"bata\"; did you mean \"beta\"?"),
            (["beta": "x"], "method: beta is \"x\"; expected a finite number"),
            (["keep": true], "method: keep is true; expected a number of pairs"),
            (["gap": "wide"], "method: gap is \"wide\"; expected one of reward, log_ratio"),
            (["beta": 1, "beta": 2], "method: \"beta\" is set twice"),
        ] as [(JSON, String)] {
            assertFails(.invalidArgument, text) {
                try Configuration.table.read(into: &found, json, place: "method")
            }
        }
    }
}
