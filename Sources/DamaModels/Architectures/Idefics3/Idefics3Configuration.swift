import DamaSupport

/// The fields of the config.json of an `Idefics3ForConditionalGeneration` or a `SmolVLMForConditionalGeneration`.
package struct Idefics3Configuration: Equatable, Sendable {
    package var modelType: String
    package var tower: CLIPTowerConfiguration
    package var channels: Int
    package var patchSize: Int
    /// Rows, and columns, of the table of positions.
    package var positionsPerSide: Int
    /// Width and height of a tile in pixels.
    package var tile: Int
    /// Rows, and columns, of neighbouring patches that become one image token.
    package var scale: Int
    package var text: LlamaConfiguration
    package var imageToken: Int32

    /// - Parameter tile: width and height of the image processor's tiles.
    package init(_ config: ConfigReader, tile: Int) throws(DamaError) {
        modelType = try config.string("model_type")
        let vision = try config.nested("vision_config")
        // Those of transformers' Idefics3VisionConfig.
        tower = try CLIPTowerConfiguration(
            vision, hidden: 1152, intermediate: 3072, heads: 16, activation: .tanhGelu, epsilon: 1e-6)
        channels = try vision.int("num_channels", default: 3, in: 3...3)
        let imageSize = try vision.int("image_size", default: 224, in: 1...65536)
        patchSize = try vision.int("patch_size", default: 32, in: 1...imageSize)
        positionsPerSide = imageSize / patchSize
        scale = try config.int("scale_factor", default: 2, in: 1...64)
        self.tile = tile
        guard tile % (patchSize * scale) == 0 else {
            throw .unsupported(
                "\(config.place): tiles of \(tile) pixels (max_image_size) do not consist of whole image tokens of "
                    + "\(patchSize * scale) pixels (patch_size · scale_factor)")
        }
        text = try LlamaFamilies.configuration(partOf: config)
        imageToken = Int32(try config.int("image_token_id", default: 128257, in: 0...(text.vocabularySize - 1)))
        guard max(positionsPerSide, patchesPerSide) <= 1024, tokensPerTile <= 1 << 14 else {
            throw .unsupported(
                "\(config.place): image_size \(imageSize), tiles of \(tile) pixels (max_image_size) and patch_size "
                    + "\(patchSize) give \(tokensPerTile) image tokens a tile; supported are up to 1024 patches a side and "
                    + "\(1 << 14) tokens")
        }
    }

    /// Rows, and columns, of patches of a tile.
    package var patchesPerSide: Int { tile / patchSize }
    package var tokensPerTile: Int { (patchesPerSide / scale) * (patchesPerSide / scale) }

    /// The settings that features depend on, under the keys of config.json.
    package var identity: JSON {
        [
            "model_type": .string(modelType), "image_token_id": .int(Int64(imageToken)),
            "scale_factor": .int(Int64(scale)), "tile": .int(Int64(tile)),
            "vision_config": [
                "hidden_size": .int(Int64(tower.hiddenSize)),
                "intermediate_size": .int(Int64(tower.intermediateSize)),
                "num_hidden_layers": .int(Int64(tower.layers)), "num_attention_heads": .int(Int64(tower.heads)),
                "hidden_act": .string(tower.activation.rawValue), "layer_norm_eps": .double(Double(tower.epsilon)),
                "positions_per_side": .int(Int64(positionsPerSide)), "patch_size": .int(Int64(patchSize)),
            ],
        ]
    }

    /// The position of each row, or column, of `count` patches in a table of `size`: its fraction of the side, sorted
    /// into `size` buckets.
    ///
    /// In fp32 the rounding decides at the buckets' bounds. This is torch's on a CPU, whose `arange` computes two
    /// vectors of eight bounds at a time from their first one, and the rest one by one.
    package static func positions(of count: Int, in size: Int) -> [Int] {
        let step = 1 / Double(size)
        let bounds = (0..<max(0, size - 1)).map { index -> Float in
            let whole = (size - 1) / 16 * 16
            let first = index < whole ? index / 8 * 8 : index
            return Float(Double(Float(step + step * Double(first))) + Double(index - first) * step)
        }
        return (0..<count).map { index in
            let place = min(Float(index) * (1 / Float(count)), Float(1 - 1e-6))
            return bounds.count { $0 <= place }
        }
    }
}
