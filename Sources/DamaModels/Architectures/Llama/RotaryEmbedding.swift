import DamaSupport
import Glibc

/// Rotary position embedding: its base and its scaling for longer contexts.
public struct RotaryConfiguration: Equatable, Sendable {
    public enum Scaling: Equatable, Sendable {
        case none
        /// Positions are divided by `factor`.
        case linear(factor: Double)
        /// Llama 3: frequencies of long wavelengths are divided by `factor`, those of short wavelengths are kept, and
        /// those between are interpolated.
        case llama3(factor: Double, lowFrequencyFactor: Double, highFrequencyFactor: Double, originalPositions: Int)
    }

    public var theta: Double
    public var scaling: Scaling

    public init(theta: Double, scaling: Scaling = .none) {
        self.theta = theta
        self.scaling = scaling
    }

    /// Reads `rope_theta` and `rope_scaling`, or the newer `rope_parameters`, which holds both.
    package init(_ config: ConfigReader) throws(DamaError) {
        let source = config.has("rope_parameters") ? "rope_parameters" : "rope_scaling"
        let fields = try config.nested(source)
        let thetas = 1.0...1e12
        let outer = try config.double("rope_theta", default: 10000, in: thetas)
        theta = try fields.double("rope_theta", default: outer, in: thetas)
        let kind = try fields.string("rope_type", default: try fields.string("type", default: "default"))
        let factors = 1.0...1e6
        switch kind {
        case "default":
            scaling = .none
        case "linear":
            scaling = .linear(factor: try fields.double("factor", in: factors))
        case "llama3":
            let low = try fields.double("low_freq_factor", in: 1e-3...1e6)
            let high = try fields.double("high_freq_factor", in: 1e-3...1e6)
            guard low < high else {
                throw .model("\(fields.place): low_freq_factor (\(low)) must be below high_freq_factor (\(high))")
            }
            scaling = .llama3(
                factor: try fields.double("factor", in: factors), lowFrequencyFactor: low, highFrequencyFactor: high,
                originalPositions: try fields.size("original_max_position_embeddings"))
        default:
            throw .unsupported(
                "\(fields.place): rope_type is \"\(kind)\"; supported are \"default\", \"linear\", \"llama3\"")
        }
    }

    /// The angle per position of each pair of channels, [headSize / 2].
    public func inverseFrequencies(headSize: Int) -> [Double] {
        let half = headSize / 2
        return (0..<half).map { index in
            let frequency = pow(theta, -2 * Double(index) / Double(headSize))
            switch scaling {
            case .none: return frequency
            case .linear(let factor): return frequency / factor
            case .llama3(let factor, let low, let high, let originalPositions):
                let turns = Double(originalPositions) * frequency / (2 * .pi)
                if turns < low { return frequency / factor }
                if turns > high { return frequency }
                let share = (turns - low) / (high - low)
                return (1 - share) * frequency / factor + share * frequency
            }
        }
    }

    /// cos and sin of every position's angles.
    ///
    /// - Parameter positions: [T]
    /// - Returns: two tables [T, headSize / 2], row-major.
    public func table(positions: [Int32], headSize: Int) -> (cos: [Float], sin: [Float]) {
        // Angles in single precision, as in training: at long positions the difference is visible.
        let frequencies = inverseFrequencies(headSize: headSize).map(Float.init)
        var cosines = [Float]()
        var sines = [Float]()
        cosines.reserveCapacity(positions.count * frequencies.count)
        sines.reserveCapacity(positions.count * frequencies.count)
        for position in positions {
            for frequency in frequencies {
                let angle = Float(position) * frequency
                cosines.append(cosf(angle))
                sines.append(sinf(angle))
            }
        }
        return (cosines, sines)
    }
}
