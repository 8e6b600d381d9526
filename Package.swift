// swift-tools-version: 6.2
import PackageDescription

// Dependencies point one way, top to bottom in this list: a target may only use targets above it.
// The C header is imported by DamaABI alone.
let package = Package(
    name: "libdama",
    products: [
        // For Swift packages: `import Dama`.
        .library(name: "Dama", targets: ["Dama"]),
        // The C ABI, libdama.so. Built with the flags in the Makefile (`make build`).
        .library(name: "dama", type: .dynamic, targets: ["DamaABI"]),
        // The command line. Products may not share a name, so `make install` renames it to `dama`.
        .executable(name: "dama-cli", targets: ["DamaCLI"]),
        // The embedded world of shapes: scenes, responses, judge. Not part of the library.
        .executable(name: "shapes-world", targets: ["ShapesWorldCLI"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
        // Configuration files of the command line; nothing of it goes into libdama.so.
        .package(url: "https://github.com/jpsim/Yams", exact: "6.2.2"),
    ],
    targets: [
        // MARK: C
        .systemLibrary(name: "CDama", path: "include"),
        .systemLibrary(name: "COnnxRuntime"),
        .systemLibrary(name: "COpenBLAS", pkgConfig: "openblas", providers: [.apt(["libopenblas-dev"])]),
        .target(
            name: "CDamaShims",
            linkerSettings: [
                .linkedLibrary("jpeg"), .linkedLibrary("png"), .linkedLibrary("z"), .linkedLibrary("m"),
            ]),

        // MARK: Core
        .target(name: "DamaSupport", dependencies: ["CDamaShims"]),
        .target(name: "DamaPreference", dependencies: ["DamaSupport"]),
        .target(name: "DamaKernels", dependencies: ["DamaSupport", "CDamaShims"]),
        .target(name: "DamaText", dependencies: ["DamaSupport"]),
        .target(name: "DamaJinja", dependencies: ["DamaSupport"]),
        .target(name: "DamaImage", dependencies: ["DamaSupport", "CDamaShims"]),
        .target(name: "DamaRuntime", dependencies: ["DamaSupport", "CDamaShims", "COnnxRuntime"]),
        .target(name: "DamaGraph", dependencies: ["DamaSupport"]),
        .target(
            name: "DamaModels",
            dependencies: [
                "DamaSupport", "DamaKernels", "DamaText", "DamaImage", "DamaRuntime", "DamaGraph", "COpenBLAS",
            ]),
        .target(
            name: "DamaTraining",
            dependencies: [
                "DamaSupport", "DamaPreference", "DamaKernels", "DamaModels", "DamaGraph", "DamaRuntime",
                "DamaImage",
            ]),
        .target(
            name: "Dama",
            dependencies: [
                "DamaSupport", "DamaPreference", "DamaKernels", "DamaText", "DamaImage", "DamaRuntime",
                "DamaModels", "DamaTraining", "CDamaShims",
            ]),

        // MARK: Faces
        .target(name: "DamaABI", dependencies: ["Dama", "CDama", "CDamaShims"]),
        // What both command lines need; nothing of it goes into libdama.so.
        .target(name: "CommandLineSupport", dependencies: ["DamaSupport"]),
        .executableTarget(
            name: "DamaCLI",
            dependencies: [
                "Dama", "CommandLineSupport", .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Yams", package: "Yams"),
            ]),

        // MARK: The embedded world
        .target(name: "ShapesWorld", dependencies: ["DamaSupport", "DamaImage"]),
        .executableTarget(
            name: "ShapesWorldCLI",
            dependencies: [
                "ShapesWorld", "CommandLineSupport", .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ]),
        // Batches to train on, for the tests and for a process whose exports other readers load.
        .target(
            name: "TrainingTestSupport", dependencies: ["DamaTraining"], path: "Tests/TrainingTestSupport"),
        .executableTarget(
            name: "TrainingProcess", dependencies: ["Dama", "TrainingTestSupport"], path: "Tests/TrainingProcess"),
        .testTarget(
            name: "DamaTrainingTests", dependencies: ["DamaTraining", "DamaTestSupport", "TrainingTestSupport"],
            exclude: ["Fixtures"]),
        .testTarget(
            name: "ShapesWorldTests",
            dependencies: ["ShapesWorld", "DamaModels", "DamaPreference", "DamaText", "DamaTestSupport"],
            exclude: ["Fixtures"]),

        // MARK: Tests
        .target(name: "DamaTestSupport", dependencies: ["DamaSupport"], path: "Tests/DamaTestSupport"),
        .testTarget(
            name: "DamaPreferenceTests", dependencies: ["DamaPreference", "DamaTestSupport"], exclude: ["Fixtures"]),
        .testTarget(
            name: "DamaKernelsTests", dependencies: ["DamaKernels", "CDamaShims", "DamaTestSupport"],
            exclude: ["Fixtures"]),
        .testTarget(
            name: "DamaSupportTests", dependencies: ["DamaSupport", "DamaTestSupport"], exclude: ["Fixtures"]),
        .testTarget(name: "DamaImageTests", dependencies: ["DamaImage", "DamaTestSupport"], exclude: ["Fixtures"]),
        .testTarget(
            name: "DamaModelsTests", dependencies: ["DamaModels", "DamaTestSupport"], exclude: ["Fixtures"]),
        // Opens models in a process that has opened none, and tells what became of it.
        .executableTarget(
            name: "RuntimeProcess", dependencies: ["DamaModels", "CDamaShims"], path: "Tests/RuntimeProcess"),
        .testTarget(
            name: "DamaRuntimeTests", dependencies: ["DamaRuntime", "DamaTestSupport", "RuntimeProcess"],
            exclude: ["Fixtures"]),
        .testTarget(
            name: "DamaGraphTests", dependencies: ["DamaGraph", "DamaModels", "DamaRuntime", "DamaTestSupport"],
            exclude: ["Fixtures", "check_model.py"]),
        // A job with a known encoder, as a library for the tests and as a process that they can kill.
        .target(name: "JobTestSupport", dependencies: ["Dama"], path: "Tests/JobTestSupport"),
        .executableTarget(name: "JobProcess", dependencies: ["JobTestSupport"], path: "Tests/JobProcess"),
        .testTarget(
            name: "DamaJobTests",
            dependencies: [
                "Dama", "DamaTestSupport", "JobTestSupport", "JobProcess", "DamaCLI", "TrainingTestSupport",
            ],
            exclude: ["Fixtures"]),
        .testTarget(
            name: "DamaTextTests", dependencies: ["DamaText", "DamaTestSupport"], exclude: ["Fixtures"]),
        .testTarget(
            name: "DamaJinjaTests", dependencies: ["DamaJinja", "DamaTestSupport"], exclude: ["Fixtures"]),
    ]
)
