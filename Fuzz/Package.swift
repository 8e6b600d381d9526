// swift-tools-version: 6.2
import PackageDescription

// One executable for each parser, run by `make fuzz TARGET=JSON SECONDS=600`. A separate package, so that its flags do
// not affect builds of libdama. To add a parser: a folder Sources/FuzzName with one file (FuzzJSON is the pattern), a
// line in the list below, and a few small seeds in Corpus/Name. Every finding becomes a test.
let parsers = [
    "Checkpoint", "Controller", "Image", "JSON", "Jinja", "Journal", "Judge", "Merging", "Pattern", "Rows",
    "Safetensors", "SentencePiece", "Tokenizer", "Torch", "Vectors", "Words", "YAML",
]

// What a text's tokens are by definition, for the parsers of tokenizers.
let tokenizers: Set = ["Merging", "SentencePiece", "Tokenizer"]
let plain = Target.target(name: "PlainEncoding", dependencies: [.product(name: "Dama", package: "libdama")])

let package = Package(
    name: "Fuzz",
    dependencies: [.package(name: "libdama", path: "..")],
    targets: [plain]
        + parsers.map {
            .executableTarget(
                name: "Fuzz\($0)",
                dependencies: (tokenizers.contains($0) ? ["PlainEncoding"] : [])
                    + [.product(name: "Dama", package: "libdama")],
                // libFuzzer brings main().
                swiftSettings: [.unsafeFlags(["-parse-as-library"])])
        }
)
