import DamaSupport

extension LlavaConfiguration {
    /// The settings that features depend on, under the keys of config.json. The decoder has its own identity.
    package var identity: JSON {
        [
            "model_type": "llava", "image_token_id": .int(Int64(imageToken)),
            "vision_layers": .int(Int64(visionLayers)),
            "vision_feature_select_strategy": .string(selection.rawValue),
            "multimodal_projector_bias": .bool(projectorBias),
            "vision_config": vision.identity,
        ]
    }
}
