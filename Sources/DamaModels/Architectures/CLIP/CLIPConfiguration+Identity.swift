// The text of a configuration that fingerprints are computed from. Users' journals hold these fingerprints, so the text
// is the one that version 0.1 printed, whatever the Swift names are now. A new field goes to the end of its part.

extension CLIPConfiguration {
    var identity: String {
        "CLIPConfiguration(text: DamaModels.CLIPTextConfiguration(\(text.identity)), "
            + "vision: DamaModels.CLIPVisionConfiguration(\(vision.identity)), projectionSize: \(projectionSize))"
    }
}

extension CLIPTextConfiguration {
    fileprivate var identity: String {
        "tower: \(tower.identity), vocabularySize: \(vocabularySize), maximumLength: \(maximumLength), "
            + "endRule: DamaModels.CLIPTextConfiguration.EndRule.\(endRule.identity)"
    }
}

extension CLIPTextConfiguration.EndRule {
    var identity: String {
        switch self {
        case .largestToken: "largestToken"
        case .first(let token): "first(\(token))"
        }
    }
}

extension CLIPVisionConfiguration {
    fileprivate var identity: String {
        "tower: \(tower.identity), channels: \(channels), imageSize: \(imageSize), patchSize: \(patchSize)"
    }
}

extension CLIPTowerConfiguration {
    var identity: String {
        let activationName =
            switch activation {
            case .quickGelu: "quickGelu"
            case .gelu: "gelu"
            case .tanhGelu: "tanhGelu"
            }
        return "DamaModels.CLIPTowerConfiguration(hiddenSize: \(hiddenSize), intermediateSize: \(intermediateSize), "
            + "layers: \(layers), heads: \(heads), "
            + "activation: DamaModels.CLIPTowerConfiguration.Activation.\(activationName), epsilon: \(epsilon))"
    }
}
