import DamaGraph
import DamaRuntime
import DamaSupport

extension LlamaDecoder: TrainableDecoder {
    package func trainingGraph() throws(DamaError) -> Graph {
        try graphs.scoring(scoresOnHost ? .logits : .logProbabilities, trainable: true)
    }

    package var trainingOutput: String { Self.trainingOutput(scoresOnHost) }
    package var embeddingInput: String { LlamaGraph.Port.embeddings }
    package var layerScopes: [String] { Self.layerScopes(configuration) }

    static func trainingOutput(_ scoresOnHost: Bool) -> String {
        scoresOnHost ? LlamaGraph.Port.logits : LlamaGraph.Port.logProbabilities
    }
    static func layerScopes(_ configuration: LlamaConfiguration) -> [String] {
        (0..<configuration.layers).map { "layers.\($0)" }
    }

    // MARK: Inputs

    package func trainingInputs(
        _ rows: [DecoderRow], table: EmbeddingTable?
    ) throws(DamaError) -> [String: TensorValue] {
        var inputs = try scoringInputs(rows, table: table)
        guard let length = inputs[embeddingInput]?.shape[1] else { throw .internal("the decoder has no input") }
        if !scoresOnHost {
            let targets = rows.flatMap { $0.sequence.targets.map(Int64.init) }
            inputs[LlamaGraph.Port.targets] = try TensorValue(runtime, targets, shape: [targets.count])
        }
        inputs.merge(try rowInputs(rows.map(\.sequence), length: length)) { $1 }
        return inputs
    }

    package func rowInputs(
        _ sequences: [TokenSequence], length: Int
    ) throws(DamaError) -> [String: TensorValue] {
        var predicting: [Int64] = []
        for (index, sequence) in sequences.enumerated() {
            predicting += sequence.predictingRows.map { Int64(index * length) + Int64($0) }
        }
        let (inverse, uses) = try RowGradients.inverse(of: predicting, count: sequences.count * length)
        return [
            LlamaGraph.Port.rows: try TensorValue(runtime, predicting, shape: [predicting.count]),
            LlamaGraph.Port.inverseRows: try TensorValue(runtime, inverse, shape: [sequences.count * length, uses]),
        ]
    }

    // MARK: Names

    package func fileName(_ graphName: String) -> String { names.fileName(graphName) }
    package var embeddingWeight: String { LlamaGraph.embeddings }
    package var tensorAliases: [String: String] {
        configuration.tiesEmbeddings
            ? [names.fileName(LlamaGraph.head): names.fileName(LlamaGraph.embeddings)] : [:]
    }

    package var adapterModules: [String] { LlamaArchitecture.adapterModules }

    package func peftModule(_ graphModule: String) -> String {
        graphModule.hasPrefix("model.") ? modulePrefix + graphModule.dropFirst("model.".count) : graphModule
    }

    package func peftTargets(_ modules: [String]) -> JSON {
        guard modulePrefix != "model." else { return .array(modules.map { .string($0) }) }
        // A list would also match the vision tower's projections of the same names; a string is a regular expression.
        let prefix = modulePrefix.split(separator: ".").joined(separator: "\\.")
        return .string("\(prefix)\\.layers\\.\\d+\\.(self_attn|mlp)\\.(\(modules.joined(separator: "|")))")
    }
}
