import DamaEvaluation
import DamaSupport

/// Prepares a benchmark's data from what a user has downloaded. Nothing is downloaded here.
public enum EvaluationData {
    /// A file of the prepared data that cannot be made yet.
    public struct Missing: Equatable, Sendable {
        public var name: String
        public var purpose: String
        /// Whether the benchmark can be evaluated without it.
        public var isOptional: Bool
        /// The files to download: name, address, and the SHA-256 of each known version.
        public var downloads: [(name: String, address: String, sha256: [String])]

        public static func == (a: Missing, b: Missing) -> Bool { a.name == b.name && a.isOptional == b.isOptional }
    }

    /// What a preparation did.
    public struct Report: Equatable, Sendable {
        public var made: [String]
        public var kept: [String]
        public var missing: [Missing]
    }

    /// Adds the files that can be made of `files` to the folder `output`.
    ///
    /// - Parameters:
    ///   - benchmark: Its name.
    ///   - files: Downloads, recognised by their SHA-256, whatever their names; empty to see what is needed.
    ///   - output: The folder, which is made if it is missing.
    ///   - acceptsAnyVersion: Whether a file that is no known version is taken by its name. Summaries say so.
    ///   - stop: Checked before each file. Files that were made stay.
    /// - Throws: ``DamaError/Code/invalidArgument`` for a file that the benchmark does not use or of another version,
    ///   and for a folder that holds files of others; ``DamaError/Code/io`` for what cannot be read or written.
    @discardableResult
    public static func prepare(
        benchmark: String, from files: [String], to output: String, acceptsAnyVersion: Bool = false,
        stop: StopSignal = StopSignal()
    ) throws(DamaError) -> Report {
        let type = try Benchmarks.type(named: benchmark)
        var preparation = DataPreparation(benchmark: type.name, inputs: type.inputs)
        preparation.acceptsAnyVersion = acceptsAnyVersion
        let report = try preparation.run(from: files, to: output, stop: stop)
        return Report(
            made: report.made, kept: report.kept,
            missing: report.missing.map { missing in
                Missing(
                    name: missing.name, purpose: missing.purpose, isOptional: missing.isOptional,
                    downloads: missing.downloads.map { ($0.name, $0.address, $0.versions.map(\.sha256)) })
            })
    }

    /// The names of all benchmarks.
    public static var benchmarks: [String] { Benchmarks.names }
}
