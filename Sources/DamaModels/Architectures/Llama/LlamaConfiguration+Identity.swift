import DamaSupport

extension LlamaConfiguration {
    /// The settings that log-probabilities depend on, under the keys of config.json where they have one.
    package var identity: JSON {
        let fields: JSONObject = [
            "model_type": "llama", "vocab_size": .int(Int64(vocabularySize)), "hidden_size": .int(Int64(hiddenSize)),
            "intermediate_size": .int(Int64(intermediateSize)), "num_hidden_layers": .int(Int64(layers)),
            "num_attention_heads": .int(Int64(heads)), "num_key_value_heads": .int(Int64(keyValueHeads)),
            "head_dim": .int(Int64(headSize)), "rms_norm_eps": .double(rmsNormEpsilon),
            "max_position_embeddings": .int(Int64(maximumPositions)), "qkv_bias": .bool(queryKeyValueBias),
            "o_bias": .bool(outputBias), "mlp_bias": .bool(feedForwardBias),
            "tie_word_embeddings": .bool(tiesEmbeddings), "rope": rotary.identity,
            "eos_token_id": .array(endTokens.map { .int(Int64($0)) }),
        ]
        // Llama has neither, and its identity stays what it was.
        let norm: JSONObject = queryKeyNorm ? ["qk_norm": true] : [:]
        let windows: JSONObject =
            window.map {
                [
                    "sliding_window": .int(Int64($0.size)),
                    "sliding_layers": .array($0.layers.map { .int(Int64($0)) }),
                ]
            } ?? [:]
        return .object(JSONObject(fields.members + norm.members + windows.members))
    }
}

extension RotaryConfiguration {
    /// The settings under the keys of `rope_parameters`.
    package var identity: JSON {
        switch scaling {
        case .none: ["rope_type": "default", "rope_theta": .double(theta)]
        case .linear(let factor):
            ["rope_type": "linear", "rope_theta": .double(theta), "factor": .double(factor)]
        case .llama3(let factor, let low, let high, let positions):
            [
                "rope_type": "llama3", "rope_theta": .double(theta), "factor": .double(factor),
                "low_freq_factor": .double(low), "high_freq_factor": .double(high),
                "original_max_position_embeddings": .int(Int64(positions)),
            ]
        }
    }
}
