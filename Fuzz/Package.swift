// swift-tools-version: 6.2
import PackageDescription

// One executable for each parser, run by `make fuzz TARGET=JSON SECONDS=600`. A separate package, so that its flags do
// not affect builds of libdama. To add a parser: a folder Sources/FuzzName with one file (FuzzJSON is the pattern), a
// line in the list below, and a few small seeds in Corpus/Name. Every finding becomes a test.
let parsers = [
    "Checkpoint", "Controller", "Image", "JSON", "Jinja", "Journal", "Judge", "Pattern", "Rows",
    "Safetensors", "SentencePiece", "Tokenizer", "Torch", "Vectors", "Words", "YAML",
]

let package = Package(
    name: "Fuzz",
    dependencies: [.package(name: "libdama", path: "..")],
    targets: parsers.map {
        .executableTarget(
            name: "Fuzz\($0)",
            dependencies: [.product(name: "Dama", package: "libdama")],
            // libFuzzer brings main().
            swiftSettings: [.unsafeFlags(["-parse-as-library"])])
    }
)
