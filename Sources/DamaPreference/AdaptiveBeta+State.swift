import DamaSupport

extension AdaptiveBeta {
    /// "DAMABETA": other bytes are rejected before anything else is read from them.
    private static let magic: [UInt8] = Array("DAMABETA".utf8)
    private static let version: UInt32 = 1

    /// The configuration, running mean, counts and generator as bytes, with a version and a checksum.
    ///
    /// A controller created from these bytes continues bit for bit as this one would. A step that has not been
    /// committed is not part of the state.
    public func state() -> [UInt8] {
        var writer = ByteWriter()
        writer.append(Self.magic)
        writer.append(Self.version)
        writer.append(configuration)
        writer.append(progress.runningMean)
        writer.append(progress.runningDeviation)
        writer.append(progress.steps)
        writer.append(progress.nonFinitePairs)
        writer.append(progress.uniformSamplings)
        for word in generator.words { writer.append(word) }
        return writer.checksummed()
    }

    /// Restores a controller from the bytes of ``state()``.
    ///
    /// - Throws: ``DamaError/Code/invalidArgument`` for bytes that are truncated, damaged or not a state, and for the
    ///   state of a later version.
    public init(state: [UInt8]) throws(DamaError) {
        let name = "controller state"
        guard state.starts(with: Self.magic) else {
            throw .invalidArgument("\(name) does not begin with \"DAMABETA\": these bytes are something else")
        }
        var reader = try ByteReader(checksummed: state, name: name)
        _ = try reader.readBytes(Self.magic.count)
        let version = try reader.read(UInt32.self)
        guard version == Self.version else {
            throw .invalidArgument("\(name) has version \(version); this library reads version \(Self.version)")
        }
        try self.init(try reader.readConfiguration())
        progress.runningMean = try reader.readDouble()
        progress.runningDeviation = try reader.readDouble()
        progress.steps = try reader.read(UInt64.self)
        progress.nonFinitePairs = try reader.read(UInt64.self)
        progress.uniformSamplings = try reader.read(UInt64.self)
        var words: [UInt64] = []
        for _ in 0..<4 { words.append(try reader.read(UInt64.self)) }
        generator = try RandomGenerator(words: words)
        guard reader.remaining == 0 else { throw .invalidArgument("\(name) has \(reader.remaining) bytes too many") }
        // Counting on from these must not overflow. The limit is that of exact integers in a double.
        let counts = [progress.steps, progress.nonFinitePairs, progress.uniformSamplings]
        guard counts.allSatisfy({ $0 <= 1 << 53 }) else {
            throw .invalidArgument("\(name) has counts that no training reaches: \(counts)")
        }
        guard progress.runningMean.isFinite, progress.runningDeviation.isFinite else {
            throw .invalidArgument("\(name) has a running mean that is not finite")
        }
    }
}

extension ByteWriter {
    fileprivate mutating func append(_ it: AdaptiveBeta.Configuration) {
        append(it.beta)
        append(it.gap.rawValue)
        append(UInt32(it.normalizes ? 1 : 0))
        append(it.guardFactor)
        append(it.filter.rawValue)
        switch it.keep {
        case .count(let count):
            append(UInt32(0))
            append(Int64(count))
        case .ratio(let ratio):
            append(UInt32(1))
            append(ratio)
        }
        append(it.sampleScale.rawValue)
        append(it.responsiveness.rawValue)
        append(it.slope)
        append(it.meanSource.rawValue)
        append(it.meanTime.rawValue)
        append(it.combination.rawValue)
        append(it.dataShare)
        append(it.floor)
        append(it.ceiling)
        append(it.momentum)
        append(it.seed)
        append(it.loss.kind.rawValue)
        append(it.loss.parameter)
    }
}

extension ByteReader {
    fileprivate mutating func readConfiguration() throws(DamaError) -> AdaptiveBeta.Configuration {
        var it = AdaptiveBeta.Configuration()
        it.beta = try readDouble()
        it.gap = try readChoice("gap")
        it.normalizes = try read(UInt32.self) != 0
        it.guardFactor = try readDouble()
        it.filter = try readChoice("filter")
        if try read(UInt32.self) == 0 {
            it.keep = .count(Int(truncatingIfNeeded: try read(Int64.self)))
        } else {
            it.keep = .ratio(try readDouble())
        }
        it.sampleScale = try readChoice("sample scale")
        it.responsiveness = try readChoice("responsiveness")
        it.slope = try readDouble()
        it.meanSource = try readChoice("mean source")
        it.meanTime = try readChoice("mean time")
        it.combination = try readChoice("combination")
        it.dataShare = try readDouble()
        it.floor = try readDouble()
        it.ceiling = try readDouble()
        it.momentum = try readDouble()
        it.seed = try read(UInt64.self)
        let kind: PreferenceLoss.Kind = try readChoice("loss")
        it.loss = PreferenceLoss(kind, parameter: try readDouble())
        return it
    }

    private mutating func readChoice<T: RawRepresentable<UInt32>>(_ field: String) throws(DamaError) -> T {
        let raw = try read(UInt32.self)
        guard let value = T(rawValue: raw) else {
            throw .invalidArgument("controller state has \(field) \(raw), which is unknown")
        }
        return value
    }
}
