import DamaSupport
import DamaTestSupport
import XCTest

@testable import DamaGraph
@testable import DamaModels

/// A small decoder, as graphs and with numbers for their inputs and weights.
struct DecoderSize {
    var batch = 2
    var sequence: Int
    var heads = 4, keyHeads = 2, headSize = 8, layers = 2, inner = 24, vocabulary = 50
    var width: Int { heads * headSize }

    func graph(fused: Bool, flash: Bool = false, adapters: [Adapter] = []) throws -> Graph {
        let config = JSON.object([
            "vocab_size": .int(Int64(vocabulary)), "hidden_size": .int(Int64(width)),
            "intermediate_size": .int(Int64(inner)), "num_hidden_layers": .int(Int64(layers)),
            "num_attention_heads": .int(Int64(heads)), "num_key_value_heads": .int(Int64(keyHeads)),
            "max_position_embeddings": 2048, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
            "tie_word_embeddings": false, "hidden_act": "silu",
        ])
        let configuration = try LlamaConfiguration(ConfigReader(config, place: "config.json"))
        return try LlamaGraph(configuration, kernels: GraphKernels(fused: fused, flash: flash)).scoring(trainable: true)
            .adding(adapters)
    }

    /// A batch whose second sequence ends in padding, which sees nothing and is seen by nothing.
    func feeds(_ graph: Graph) throws -> [String: Tensor] {
        typealias Port = LlamaGraph.Port
        var generator = RandomGenerator(seed: 31)
        let length = sequence
        let padded = length - length / 4
        // What comes of a row without any key is arbitrary, and differs between the forms.
        let known = (0..<batch * length).filter { $0 / length != 1 || $0 % length < padded }
        var rows: [Int] = (0..<max(2, known.count / 3)).map { known[$0 * 5 % known.count] }
        rows += [0, 0]
        let (table, uses) = try RowGradients.inverse(of: rows.map(Int64.init), count: batch * length)
        var mask: [Double] = []
        for item in 0..<batch {
            let end = item == 1 ? padded : length
            for query in 0..<length {
                for key in 0..<length { mask.append(key > query || key >= end || query >= end ? -1e9 : 0) }
            }
        }
        let half = headSize / 2
        var angles: [Double] = []
        for position in 0..<length + 3 {
            for pair in 0..<half { angles.append(Double(position) / pow(10000, Double(pair) / Double(half))) }
        }
        let positions: [Int] = (0..<batch * length).map { $0 % length + $0 / length }
        let targets: [Int] = rows.map { $0 * 7 % vocabulary }
        var feeds: [String: Tensor] = [
            Port.embeddings: Tensor(random: &generator, [batch, length, width]),
            Port.positions: Tensor(integers: positions, [batch, length]),
            Port.cosine: Tensor(angles.map { cos($0) }, [length + 3, half]),
            Port.sine: Tensor(angles.map { sin($0) }, [length + 3, half]),
            Port.mask: Tensor(mask, [batch, 1, length, length]),
            Port.rows: Tensor(integers: rows, [rows.count]),
            Port.inverseRows: Tensor(integers: table.map(Int.init), [batch * length, uses]),
            Port.targets: Tensor(integers: targets, [rows.count]),
            "\(Port.logProbabilities).seed": Tensor(random: &generator, [rows.count]),
        ]
        for weight in graph.weights {
            let shape = try XCTUnwrap(weight.shape.fixed)
            feeds[graph.name(of: weight)] = Tensor(random: &generator, shape, scale: shape.count == 1 ? 1 : 0.2)
        }
        return feeds
    }

    /// Adapters of some projections of each layer.
    var adapters: [Adapter] {
        let names = ["self_attn.q_proj", "self_attn.v_proj", "mlp.gate_proj", "mlp.down_proj"]
        return (0..<layers).flatMap { layer in
            names.map { Adapter(weight: "model.layers.\(layer).\($0).weight", rank: 3, scale: 2) }
        }
    }
}
