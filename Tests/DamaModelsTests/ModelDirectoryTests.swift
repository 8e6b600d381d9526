import DamaSupport
import DamaTestSupport
import Foundation
import XCTest

@testable import DamaModels

/// Models in layouts other than Hugging Face's give an error of one line that says what they are and what to do.
final class ModelDirectoryTests: XCTestCase {
    private var folder: TemporaryDirectory!

    override class func setUp() { TestRuntime.configure() }
    override func setUpWithError() throws { folder = try TemporaryDirectory() }

    private func make(_ files: [String: String]) throws {
        for name in try Files.names(in: folder.path) {
            try FileManager.default.removeItem(atPath: "\(folder.path)/\(name)")
        }
        for (name, text) in files { try folder.write(text.utf8, to: name) }
    }

    private func assertPolicyAndEncoderFail(_ text: String, at path: String? = nil, line: UInt = #line) {
        let path = path ?? folder.path
        assertFails(.unsupported, text, line: line) { _ = try Policy(directory: path) }
        assertFails(.unsupported, text, line: line) { _ = try DualEncoder(directory: path) }
    }

    func testAnAdapterIsNoModel() throws {
        try make([
            "adapter_config.json": #"{"base_model_name_or_path": "models/llava"}"#, "adapter_model.safetensors": "",
            "dama_export.json": "{}",
        ])
        assertPolicyAndEncoderFail(
            "holds a PEFT adapter of the model \"models/llava\", not a whole model; export with `format")
        try make(["adapter_config.json": "{"])
        assertPolicyAndEncoderFail("holds a PEFT adapter, not a whole model")
    }

    func testOtherLayouts() throws {
        try make(["model.Q4.gguf": "GGUF"])
        assertPolicyAndEncoderFail(
            "the GGUF file model.Q4.gguf, which is not supported; expected a Hugging Face directory")
        assertPolicyAndEncoderFail("model.Q4.gguf is a GGUF file", at: "\(folder.path)/model.Q4.gguf")
        try make(["model.safetensors": "x"])
        assertPolicyAndEncoderFail("is a file; expected a Hugging Face", at: "\(folder.path)/model.safetensors")
        try make(["params.json": "{}", "consolidated.00.pth": ""])
        assertPolicyAndEncoderFail("params.json and consolidated.00.pth: this is Llama's original layout")
        try make([:])
        assertFails(.io, "config.json") { _ = try Policy(directory: self.folder.path) }
    }

    func testWeightsThatAreNoSafetensors() throws {
        for (file, text) in [
            (
                "pytorch_model-00001-of-00002.bin",
                "00002.bin; the index of these shards, pytorch_model.bin.index.json, is missing"
            ),
            ("consolidated.pth", "but consolidated.pth; load the model with transformers and save it again"),
            ("adapter_model.safetensors", "is a PEFT adapter; merge it"),
            ("model.gguf", "model.gguf: GGUF is not supported"),
            (
                "training_args.bin",
                "has no weights; expected one of model.safetensors, model.safetensors.index.json, pytorch_model.bin"
            ),
        ] {
            try make([file: ""])
            assertFails(.io, text) { _ = try WeightStore(directory: self.folder.path) }
        }
    }
}
