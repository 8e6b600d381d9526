import DamaSupport

extension LlavaConfiguration {
    /// The settings that features depend on, under the keys of config.json. The decoder has its own identity.
    package var identity: JSON {
        [
            "model_type": "llava", "image_token_id": .int(Int64(imageToken)),
            "vision_layers": .int(Int64(visionLayers)),
            "vision_feature_select_strategy": .string(selection.rawValue),
            "multimodal_projector_bias": .bool(projectorBias),
            "vision_config": [
                "hidden_size": .int(Int64(vision.tower.hiddenSize)),
                "intermediate_size": .int(Int64(vision.tower.intermediateSize)),
                "num_hidden_layers": .int(Int64(vision.tower.layers)),
                "num_attention_heads": .int(Int64(vision.tower.heads)),
                "hidden_act": .string(vision.tower.activation.rawValue),
                "layer_norm_eps": .double(Double(vision.tower.epsilon)),
                "num_channels": .int(Int64(vision.channels)), "image_size": .int(Int64(vision.imageSize)),
                "patch_size": .int(Int64(vision.patchSize)),
            ],
        ]
    }
}
