// swift-tools-version: 6.2
import PackageDescription

// One executable for each task. Run one with `swift run --package-path examples/swift adaptive-beta`.
let package = Package(
    name: "DamaExamples",
    dependencies: [.package(name: "libdama", path: "../..")],
    targets: [
        "adaptive-beta", "evaluate", "generate-dataset", "hardness", "kernels", "policy", "reference-dataset",
        "score-dataset", "splitter", "tokenizer", "train", "train-dataset",
    ].map {
        .executableTarget(name: $0, dependencies: [.product(name: "Dama", package: "libdama")])
    }
)
