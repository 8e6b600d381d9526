import DamaRuntime
import DamaSupport
import DamaTestSupport
import XCTest

@testable import DamaGraph
@testable import DamaModels

/// A whole Llama decoder against torch's automatic differentiation.
final class DecoderGradientTests: XCTestCase {
    override class func setUp() { TestRuntime.configure() }

    private struct Shape {
        var layers = 2, width = 32, heads = 4, keyHeads = 2, inner = 64, vocabulary = 64
    }

    /// Log-probabilities of the tokens that follow `rows` of a batch of sequences.
    private func decoder(_ s: Shape) throws -> Graph {
        let g = GraphBuilder("decoder")
        let ids = try g.input("ids", .int64, ["batch", "sequence"])
        let positions = try g.input("positions", .int64, ["batch", "sequence"])
        let half = Dimension.fixed(s.width / s.heads / 2)
        let cosine = try g.input("cosine", .float32, ["positions", half])
        let sine = try g.input("sine", .float32, ["positions", half])
        let rows = try g.input("rows", .int64, ["rows"])
        let inverse = try g.input("inverse", .int64, ["batch * sequence", "uses"])
        let tokens = try g.input("tokens", .int64, ["rows"])
        let table = try g.weight("model.embed_tokens.weight", .float32, [s.vocabulary, s.width])
        var x = try g.gather(table, ids)
        let mask = try g.reshape(g.causalMask(ids, axis: 1), [1, 1, "sequence", "sequence"])
        let keyWidth = s.width / s.heads * s.keyHeads
        for layer in 0..<s.layers {
            let prefix = "model.layers.\(layer)"
            func weight(_ name: String, _ shape: [Int]) throws(DamaError) -> Value {
                try g.weight("\(prefix).\(name).weight", .float32, shape)
            }
            x = try g.scope(prefix) { () throws(DamaError) in
                let normal = try g.rmsNorm(x, scale: weight("input_layernorm", [s.width]), epsilon: 1e-5)
                let q = try g.rotary(
                    g.linear(normal, weight("self_attn.q_proj", [s.width, s.width])), positions: positions,
                    cosine: cosine, sine: sine, heads: s.heads)
                let k = try g.rotary(
                    g.linear(normal, weight("self_attn.k_proj", [keyWidth, s.width])), positions: positions,
                    cosine: cosine, sine: sine, heads: s.keyHeads)
                let v = try g.linear(normal, weight("self_attn.v_proj", [keyWidth, s.width]))
                // Several blocks; the last one is empty.
                let mixed = try g.causalAttention(
                    g.splitHeads(q, s.heads), g.splitHeads(k, s.keyHeads), g.splitHeads(v, s.keyHeads), mask: mask,
                    blocks: 4, minimum: 4)
                let y = try g.add(x, g.linear(mixed, weight("self_attn.o_proj", [s.width, s.width])))
                let inner = try g.rmsNorm(y, scale: weight("post_attention_layernorm", [s.width]), epsilon: 1e-5)
                let gate = try g.linear(inner, weight("mlp.gate_proj", [s.inner, s.width]))
                let up = try g.linear(inner, weight("mlp.up_proj", [s.inner, s.width]))
                return try g.add(y, g.linear(g.swiglu(gate, up), weight("mlp.down_proj", [s.width, s.inner])))
            }
        }
        let flat = try g.reshape(x, ["batch * sequence", .fixed(s.width)])
        let picked = try g.rmsNorm(
            g.selectRows(flat, rows, inverse: inverse), scale: g.weight("model.norm.weight", .float32, [s.width]),
            epsilon: 1e-5)
        try g.output("logps", g.tokenLogProbabilities(g.linear(picked, table), tokens))
        return g.graph
    }

    private struct Fixture {
        var feeds: [String: Tensor] = [:]
        var logps: Tensor
        var gradients: [String: Tensor] = [:]
    }

    private func fixture() throws -> Fixture {
        let file = try SafetensorsFile(path: Fixtures.path("decoder.safetensors"))
        func tensor(_ name: String, _ type: ElementType = .float32) throws -> Tensor {
            let view = try XCTUnwrap(file[name], name)
            return Tensor(try view.floats().map(Double.init), view.shape, type)
        }
        var fixture = Fixture(logps: try tensor("logps"))
        for name in ["ids", "rows", "tokens"] { fixture.feeds[name] = try tensor(name, .int64) }
        for name in ["cosine", "sine"] { fixture.feeds[name] = try tensor(name) }
        fixture.feeds["logps.seed"] = try tensor("seed")
        for name in file.names where name.hasPrefix("weight.") {
            fixture.feeds[String(name.dropFirst(7))] = try tensor(name)
        }
        for name in file.names where name.hasPrefix("gradient.") {
            fixture.gradients[String(name.dropFirst(9))] = try tensor(name)
        }
        let ids = try XCTUnwrap(fixture.feeds["ids"])
        let (batch, length) = (ids.shape[0], ids.shape[1])
        fixture.feeds["positions"] = Tensor(integers: (0..<batch).flatMap { _ in 0..<length }, [batch, length])
        let rows = try XCTUnwrap(fixture.feeds["rows"]).values.map { Int64($0) }
        let (table, uses) = try RowGradients.inverse(of: rows, count: batch * length)
        XCTAssertEqual(uses, 3, "this batch must contain a row that predicts for several responses")
        fixture.feeds["inverse"] = Tensor(integers: table.map { Int($0) }, [batch * length, uses])
        return fixture
    }

    /// Every gradient, with shared prompts and with 1, 2 and 4 threads, twenty times, because races show only
    /// sometimes.
    func testGradientsAreTorchs() throws {
        let fixture = try fixture()
        let graph = try decoder(Shape())
        let runtime = try OnnxRuntime.load()
        for scopes in [[], ["model.layers.0", "model.layers.1"]] {
            let result = try graph.differentiate(
                outputs: ["logps"], trainable: fixture.gradients.keys.sorted(), recompute: scopes)
            XCTAssertEqual(result.gradients.first?.rows.map(\.indices), ["ids"])
            for threads in [1, 2, 4] {
                var options = SessionOptions()
                options.threads = threads
                let forward = try Session(
                    runtime, model: result.forward.onnx(weights: .inputs), name: "forward", options: options)
                let backward = try Session(
                    runtime, model: result.backward.onnx(weights: .inputs), name: "backward", options: options)
                for _ in 0..<20 {
                    let kept = try result.forward.run(forward, fixture.feeds)
                    // 40 consecutive roundings in two layers; observed: 1e-7.
                    XCTAssertLessThan(try XCTUnwrap(kept["logps"]).distance(to: fixture.logps), 2e-6)
                    let outputs = try result.backward.run(backward, fixture.feeds.merging(kept) { $1 })
                    let gradients = try result.collect(outputs, fixture.feeds)
                    for (name, expected) in fixture.gradients {
                        XCTAssertLessThan(try XCTUnwrap(gradients[name]).distance(to: expected), 1e-5, name)
                    }
                }
            }
        }
    }

    /// The accumulating half adds to its inputs, under the same names; rows and the inputs' gradients stay the same.
    func testAccumulatingAddsToWhatIsThere() throws {
        let fixture = try fixture()
        let name = "model.layers.1.mlp.down_proj.weight"
        let other = "model.norm.weight"
        let result = try decoder(Shape()).differentiate(outputs: ["logps"], trainable: [name, other])
        let backward = try result.accumulating([name])
        XCTAssertEqual(backward.outputs.map(backward.name(of:)), result.backward.outputs.map(result.backward.name(of:)))
        var generator = RandomGenerator(seed: 8)
        let gradient = try XCTUnwrap(fixture.gradients[name])
        let before = Tensor(random: &generator, gradient.shape)
        var feeds = try fixture.feeds.merging(result.forward.run(fixture.feeds)) { $1 }
        feeds[Differentiation.before("\(name).gradient")] = before
        let found = try result.collect(backward.run(feeds), fixture.feeds)
        let sum = Tensor(zip(gradient.values, before.values).map(+), gradient.shape)
        XCTAssertLessThan(try XCTUnwrap(found[name]).distance(to: sum), 1e-5)
        XCTAssertLessThan(
            try XCTUnwrap(found[other]).distance(to: try XCTUnwrap(fixture.gradients[other])), 1e-5)
    }

    /// With one trainable matrix in the last layer, nothing before it is differentiated.
    func testOnlyThePathIsDifferentiated() throws {
        let fixture = try fixture()
        let graph = try decoder(Shape())
        let name = "model.layers.1.mlp.down_proj.weight"
        let result = try graph.differentiate(outputs: ["logps"], trainable: [name])
        XCTAssertEqual(
            Set(result.backward.weights.map(result.backward.name(of:))),
            ["model.norm.weight", "model.embed_tokens.weight"])
        let kept = try result.forward.run(fixture.feeds)
        let outputs = try result.backward.run(fixture.feeds.merging(kept) { $1 })
        let gradient = try XCTUnwrap(result.collect(outputs, fixture.feeds)[name])
        XCTAssertLessThan(gradient.distance(to: try XCTUnwrap(fixture.gradients[name])), 1e-5)
    }

    /// The graph that trains policies: embeddings come from the host, and their gradients go back to it.
    func testTheModelsGraph() throws {
        var fixture = try fixture()
        let config = JSON.object([
            "vocab_size": 64, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
            "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 64, "rms_norm_eps": 1e-5,
            "rope_theta": 10000.0, "tie_word_embeddings": true, "hidden_act": "silu",
        ])
        let graph = try LlamaGraph(LlamaConfiguration(ConfigReader(config, place: "config.json")))
            .scoring(trainable: true)
        let ids = try XCTUnwrap(fixture.feeds["ids"])
        let (batch, length) = (ids.shape[0], ids.shape[1])
        let table = try XCTUnwrap(fixture.feeds["model.embed_tokens.weight"])
        typealias Port = LlamaGraph.Port
        fixture.feeds[Port.embeddings] = Tensor(
            ids.values.flatMap { table.values[Int($0) * 32..<Int($0) * 32 + 32] }, [batch, length, 32])
        let causal = (0..<length * length).map { $0 % length > $0 / length ? -1e9 : 0 }
        fixture.feeds[Port.mask] = Tensor(
            (0..<batch).flatMap { _ in causal }, [batch, 1, length, length])
        fixture.feeds[Port.inverseRows] = fixture.feeds["inverse"]
        fixture.feeds[Port.targets] = fixture.feeds["tokens"]
        fixture.feeds["\(Port.logProbabilities).seed"] = fixture.feeds["logps.seed"]

        let trainable = [Port.embeddings] + fixture.gradients.keys.sorted()
        XCTAssertEqual(graph.scopes, ["layers.0", "layers.1"])
        for scopes in [[], graph.scopes] {
            let result = try graph.differentiate(
                outputs: [Port.logProbabilities], trainable: trainable, recompute: scopes)
            let kept = try result.forward.run(fixture.feeds)
            XCTAssertLessThan(try XCTUnwrap(kept[Port.logProbabilities]).distance(to: fixture.logps), 2e-6)
            let outputs = try result.backward.run(fixture.feeds.merging(kept) { $1 })
            var gradients = try result.collect(outputs, fixture.feeds)
            let rows = try XCTUnwrap(gradients.removeValue(forKey: Port.embeddings)).values.map(Float.init)
            var sum = try XCTUnwrap(gradients["model.embed_tokens.weight"]).values.map(Float.init)
            try rows.withUnsafeBufferPointer { rows in
                try ids.values.map { Int64($0) }.withUnsafeBufferPointer { ids in
                    try sum.withUnsafeMutableBufferPointer { try RowGradients.add(rows, at: ids, to: $0, width: 32) }
                }
            }
            gradients["model.embed_tokens.weight"] = Tensor(sum.map(Double.init), table.shape)
            for (name, expected) in fixture.gradients {
                XCTAssertLessThan(try XCTUnwrap(gradients[name]).distance(to: expected), 1e-5, name)
            }
        }
    }
}
