// swift-tools-version: 6.2
import PackageDescription

// One executable for each parser, run by `make fuzz TARGET=JSON SECONDS=600`. A separate package, so that its flags do
// not affect builds of libdama. To add a parser: a folder Sources/FuzzName with one file (FuzzJSON is the pattern), a
// line in the list below, and a few small seeds in Corpus/Name. Every finding becomes a test.
let parsers = [
    "Checkpoint", "Controller", "Image", "JSON", "Journal", "Pattern", "Rows", "Safetensors", "Tokenizer", "YAML",
]

// Parsers are not part of the products, so the targets use libdama's internal access. The package manager names a
// package by its folder.
let folder = Context.packageDirectory.split(separator: "/").dropLast().last ?? "libdama"
let libdama = String(folder.lowercased().map { $0.isLetter || $0.isNumber ? $0 : "_" })

let package = Package(
    name: "Fuzz",
    dependencies: [.package(name: "libdama", path: "..")],
    targets: parsers.map {
        .executableTarget(
            name: "Fuzz\($0)",
            dependencies: [.product(name: "Dama", package: "libdama")],
            // libFuzzer brings main().
            swiftSettings: [.unsafeFlags(["-parse-as-library", "-package-name", libdama])])
    }
)
