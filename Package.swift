// swift-tools-version: 6.2
import PackageDescription

// Dependencies point one way, top to bottom in this list: a target may use only targets above it, and lists all that it
// imports. `make lint` checks this (scripts/check-targets).
// Only DamaABI imports the C header.
let package = Package(
    name: "libdama",
    products: [
        // For Swift packages: `import Dama`.
        .library(name: "Dama", targets: ["Dama"]),
        // The C ABI, libdama.so. Built with the flags in the Makefile (`make build`).
        .library(name: "dama", type: .dynamic, targets: ["DamaABI"]),
        // The command line. Products must not share a name, so `make install` renames it to `dama`.
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
                .linkedLibrary("jpeg"), .linkedLibrary("png"), .linkedLibrary("webp"), .linkedLibrary("webpdemux"),
                .linkedLibrary("gif"), .linkedLibrary("z"), .linkedLibrary("m"),
            ]),
        // Kernels for CUDA devices, in source form, and their operators for ONNX Runtime.
        .target(name: "CDamaCuda", dependencies: ["CDamaShims"], exclude: ["kernels"]),

        // MARK: Core
        .target(name: "DamaSupport", dependencies: ["CDamaShims"]),
        .target(name: "DamaArchive", dependencies: ["DamaSupport", "CDamaShims"]),
        .target(name: "DamaPreference", dependencies: ["DamaSupport"]),
        .target(name: "DamaKernels", dependencies: ["DamaSupport", "CDamaShims"]),
        .target(name: "DamaPattern", dependencies: ["DamaSupport"]),
        .target(name: "DamaText", dependencies: ["DamaSupport", "DamaPattern"]),
        .target(name: "DamaWords", dependencies: ["DamaSupport", "DamaArchive"]),
        .target(name: "DamaJinja", dependencies: ["DamaSupport"]),
        .target(name: "DamaImage", dependencies: ["DamaSupport", "CDamaShims"]),
        .target(name: "DamaRuntime", dependencies: ["DamaSupport", "CDamaShims", "CDamaCuda", "COnnxRuntime"]),
        .target(name: "DamaGraph", dependencies: ["DamaSupport"]),
        .target(
            name: "DamaModels",
            dependencies: [
                "DamaSupport", "DamaArchive", "DamaPreference", "DamaKernels", "DamaText", "DamaJinja", "DamaImage",
                "DamaRuntime", "DamaGraph", "CDamaShims",
            ],
            resources: [
                "chatml", "llama-2", "llama-3", "llava-1.5", "plain", "smollm2", "vicuna_v1", "zephyr",
            ].map { .embedInCode("Prompts/Named/\($0).jinja") }),
        .target(
            name: "DamaTraining",
            dependencies: [
                "DamaSupport", "DamaPreference", "DamaKernels", "DamaModels", "DamaGraph", "DamaRuntime",
                "DamaImage", "CDamaShims", "CDamaCuda",
            ]),
        .target(name: "DamaEvaluation", dependencies: ["DamaSupport", "DamaArchive", "DamaWords"]),
        .target(
            name: "Dama",
            dependencies: [
                "DamaSupport", "DamaPreference", "DamaKernels", "DamaText", "DamaImage", "DamaRuntime",
                "DamaModels", "DamaTraining", "DamaEvaluation", "CDamaShims", "CYAML",
            ]),

        // MARK: Interfaces
        .target(
            name: "DamaABI",
            dependencies: [
                "DamaSupport", "DamaPreference", "DamaKernels", "DamaText", "DamaImage", "DamaModels", "DamaTraining",
                "DamaEvaluation", "Dama", "CDama", "CDamaShims",
            ]),
        // Shared by both command lines, and not part of libdama.so.
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

        // MARK: Test support, and processes that tests start
        .target(name: "DamaTestSupport", dependencies: ["DamaSupport"], path: "Tests/DamaTestSupport"),
        // The CUDA kernels on the host.
        .target(
            name: "CudaEmulation", dependencies: ["CDamaShims"], path: "Tests/CudaEmulation",
            cxxSettings: [.headerSearchPath(".")]),
        // Opens models in a new process and reports the result.
        .executableTarget(
            name: "RuntimeProcess", dependencies: ["DamaSupport", "DamaImage", "DamaModels", "CDamaShims"],
            path: "Tests/RuntimeProcess"),
        // Word data, for the comparison with NLTK.
        .executableTarget(
            name: "WordsProcess", dependencies: ["DamaSupport", "DamaWords"], path: "Tests/WordsProcess"),
        // Training batches, for the tests and for a process whose exports other readers load.
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
            name: "DamaArchiveTests", dependencies: ["DamaSupport", "DamaArchive", "DamaTestSupport"],
            exclude: ["Fixtures"]),
        .testTarget(
            name: "DamaPreferenceTests", dependencies: ["DamaSupport", "DamaPreference", "DamaTestSupport"],
            exclude: ["Fixtures"]),
        .testTarget(
            name: "DamaKernelsTests", dependencies: ["DamaSupport", "DamaKernels", "CDamaShims", "DamaTestSupport"],
            exclude: ["Fixtures"]),
        .testTarget(
            name: "DamaEvaluationTests",
            dependencies: ["DamaSupport", "DamaArchive", "DamaWords", "DamaEvaluation", "DamaTestSupport"],
            exclude: ["Fixtures"]),
        .testTarget(name: "DamaPatternTests", dependencies: ["DamaSupport", "DamaPattern"]),
        .testTarget(
            name: "DamaTextTests", dependencies: ["DamaSupport", "DamaText", "DamaTestSupport"],
            exclude: ["Fixtures"]),
        .testTarget(
            name: "DamaWordsTests", dependencies: ["DamaSupport", "DamaArchive", "DamaWords", "DamaTestSupport"],
            exclude: ["Fixtures"]),
        .testTarget(
            name: "DamaJinjaTests", dependencies: ["DamaSupport", "DamaJinja", "DamaTestSupport"],
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
            dependencies: [
                "DamaSupport", "DamaGraph", "DamaModels", "DamaRuntime", "CDamaShims", "CDamaCuda", "DamaTestSupport",
                "CudaEmulation",
            ],
            exclude: ["Fixtures", "check_model.py"]),
        .testTarget(
            name: "DamaModelsTests",
            dependencies: [
                "DamaSupport", "DamaArchive", "DamaPreference", "DamaText", "DamaJinja", "DamaImage", "DamaRuntime",
                "DamaGraph", "DamaModels", "DamaTestSupport",
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
