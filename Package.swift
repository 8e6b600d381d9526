// swift-tools-version: 6.2
import PackageDescription

// Dependencies point one way, top to bottom in this list: a target may only use targets above it, and names each that it
// imports. `make lint` checks that (scripts/check-targets).
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
        .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2")
    ],
    targets: [
        // MARK: C
        .systemLibrary(name: "CDama", path: "include"),
        .systemLibrary(name: "COnnxRuntime"),
        .systemLibrary(name: "CYAML", pkgConfig: "yaml-0.1", providers: [.apt(["libyaml-dev"])]),
        .target(
            name: "CDamaShims",
            linkerSettings: [
                .linkedLibrary("jpeg"), .linkedLibrary("png"), .linkedLibrary("z"), .linkedLibrary("m"),
            ]),

        // MARK: Core
        .target(name: "DamaSupport", dependencies: ["CDamaShims"]),
        .target(name: "DamaPreference", dependencies: ["DamaSupport"]),
        .target(name: "DamaKernels", dependencies: ["DamaSupport", "CDamaShims"]),
        .target(name: "DamaPattern", dependencies: ["DamaSupport"]),
        .target(name: "DamaText", dependencies: ["DamaSupport", "DamaPattern"]),
        .target(name: "DamaImage", dependencies: ["DamaSupport", "CDamaShims"]),
        .target(name: "DamaRuntime", dependencies: ["DamaSupport", "CDamaShims", "COnnxRuntime"]),
        .target(name: "DamaGraph", dependencies: ["DamaSupport"]),
        .target(
            name: "DamaModels",
            dependencies: [
                "DamaSupport", "DamaPreference", "DamaKernels", "DamaText", "DamaImage", "DamaRuntime", "DamaGraph",
                "CDamaShims",
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
                "DamaModels", "DamaTraining", "CDamaShims", "CYAML",
            ]),

        // MARK: Faces
        .target(
            name: "DamaABI",
            dependencies: [
                "DamaSupport", "DamaPreference", "DamaKernels", "DamaText", "DamaImage", "DamaModels", "DamaTraining",
                "Dama", "CDama", "CDamaShims",
            ]),
        // What both command lines need; nothing of it goes into libdama.so.
        .target(name: "CommandLineSupport", dependencies: ["DamaSupport"]),
        .executableTarget(
            name: "DamaCLI",
            dependencies: [
                "DamaSupport", "DamaPreference", "DamaKernels", "DamaText", "DamaImage", "DamaModels", "DamaTraining",
                "Dama", "CommandLineSupport", .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ]),

        // MARK: The embedded world
        .target(name: "ShapesWorld", dependencies: ["DamaSupport", "DamaImage"]),
        .executableTarget(
            name: "ShapesWorldCLI",
            dependencies: [
                "DamaSupport", "ShapesWorld", "CommandLineSupport",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ]),

        // MARK: What tests share, and processes that they start
        .target(name: "DamaTestSupport", dependencies: ["DamaSupport"], path: "Tests/DamaTestSupport"),
        // Opens models in a process that has opened none, and tells what became of it.
        .executableTarget(
            name: "RuntimeProcess", dependencies: ["DamaSupport", "DamaImage", "DamaModels", "CDamaShims"],
            path: "Tests/RuntimeProcess"),
        // Batches to train on, for the tests and for a process whose exports other readers load.
        .target(
            name: "TrainingTestSupport",
            dependencies: ["DamaSupport", "DamaImage", "DamaRuntime", "DamaGraph", "DamaModels", "DamaTraining"],
            path: "Tests/TrainingTestSupport"),
        .executableTarget(
            name: "TrainingProcess",
            dependencies: ["DamaSupport", "DamaModels", "DamaTraining", "Dama", "TrainingTestSupport"],
            path: "Tests/TrainingProcess"),
        // A job with a known encoder, as a library for the tests and as a process that they can kill.
        .target(
            name: "JobTestSupport",
            dependencies: [
                "DamaSupport", "DamaPreference", "DamaKernels", "DamaText", "DamaImage", "DamaModels", "DamaTraining",
                "Dama",
            ],
            path: "Tests/JobTestSupport"),
        .executableTarget(
            name: "JobProcess", dependencies: ["DamaSupport", "Dama", "JobTestSupport"], path: "Tests/JobProcess"),

        // MARK: Tests
        .testTarget(
            name: "DamaSupportTests", dependencies: ["DamaSupport", "DamaTestSupport"], exclude: ["Fixtures"]),
        .testTarget(
            name: "DamaPreferenceTests", dependencies: ["DamaSupport", "DamaPreference", "DamaTestSupport"],
            exclude: ["Fixtures"]),
        .testTarget(
            name: "DamaKernelsTests", dependencies: ["DamaSupport", "DamaKernels", "CDamaShims", "DamaTestSupport"],
            exclude: ["Fixtures"]),
        .testTarget(name: "DamaPatternTests", dependencies: ["DamaSupport", "DamaPattern"]),
        .testTarget(
            name: "DamaTextTests", dependencies: ["DamaSupport", "DamaText", "DamaTestSupport"],
            exclude: ["Fixtures"]),
        .testTarget(
            name: "DamaImageTests", dependencies: ["DamaSupport", "DamaImage", "DamaTestSupport"],
            exclude: ["Fixtures"]),
        .testTarget(
            name: "DamaRuntimeTests",
            dependencies: ["DamaSupport", "DamaRuntime", "DamaTestSupport", "RuntimeProcess"],
            exclude: ["Fixtures"]),
        .testTarget(
            name: "DamaGraphTests",
            dependencies: ["DamaSupport", "DamaGraph", "DamaModels", "DamaRuntime", "DamaTestSupport"],
            exclude: ["Fixtures", "check_model.py"]),
        .testTarget(
            name: "DamaModelsTests",
            dependencies: [
                "DamaSupport", "DamaPreference", "DamaText", "DamaImage", "DamaRuntime", "DamaGraph", "DamaModels",
                "DamaTestSupport",
            ],
            exclude: ["Fixtures"]),
        .testTarget(
            name: "DamaTrainingTests",
            dependencies: [
                "DamaSupport", "DamaPreference", "DamaKernels", "DamaImage", "DamaRuntime", "DamaModels",
                "DamaTraining", "DamaTestSupport", "TrainingTestSupport",
            ],
            exclude: ["Fixtures"]),
        .testTarget(
            name: "DamaJobTests",
            dependencies: [
                "DamaSupport", "DamaPreference", "DamaKernels", "DamaText", "DamaImage", "DamaModels", "DamaTraining",
                "Dama", "DamaCLI", "DamaTestSupport", "TrainingTestSupport", "JobTestSupport",
                "JobProcess",
            ],
            exclude: ["Fixtures"]),
        .testTarget(
            name: "ShapesWorldTests",
            dependencies: [
                "DamaSupport", "DamaPreference", "DamaText", "DamaImage", "DamaModels", "ShapesWorld",
                "DamaTestSupport",
            ],
            exclude: ["Fixtures"]),
    ]
)
