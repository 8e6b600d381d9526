import DamaPreference
import DamaSupport

/// Options of a job that scores a dataset for hardness.
public struct ScoreOptions: RowJobSettings {
    /// Input, output and the options of every job over rows.
    public var rows: RowJobOptions
    public var deltaSource = DeltaSource.probabilities
    /// δ̄ of Eq. (7); `nil` for the mean of δ over the scored rows.
    public var meanDelta: Double?
    /// The memory for cached embeddings of sentences and images, in bytes; 0 disables the cache.
    public var cacheBytes = 64 << 20
    /// The file of a page that draws the distribution of δ and explains it, or `nil`. A finished job writes it too,
    /// when it is run again.
    public var report: String?
    /// The number of images and of sentences per run of the model; `nil` for the encoder's.
    public var imagesPerStep: Int?
    public var sentencesPerStep: Int?
    /// Rows after which the cache of embeddings begins anew, rounded up to whole blocks; `nil` for 4096. The results
    /// then depend on no row before, to the last bit, and a shard can begin there.
    public var cacheRows: Int?
    /// Scores this share of the rows alone, for ``ScoreMerge``; `nil` for all rows.
    public var shard: Shard?

    public typealias DeltaSource = Hardness.DeltaSource

    public init(data: String, output: String) {
        rows = RowJobOptions(data: data, output: output)
    }

    /// All settings, under the names of the C ABI.
    package static let table = table(
        [.choice("delta_source", key: "delta", \.deltaSource)],
        last: [
            .int("cache_bytes", \.cacheBytes, in: 0...(1 << 40)),
            .optionalInt("images_per_step", \.imagesPerStep, in: 1...(.max)),
            .optionalInt("sentences_per_step", \.sentencesPerStep, in: 1...(.max)),
            .optionalDouble("mean_delta", \.meanDelta, effect: .report),
            .optionalInt("cache_rows", \.cacheRows, in: 1...(1 << 40)),
            // What differs between shards is no part of the settings that they share.
            .int("shard", \.shardIndex, in: 0...Shard.limit, effect: .none),
            .int("shards", \.shardCount, in: 0...Shard.limit, effect: .none),
            .optionalText("report", \.report),
        ])

    /// The two settings that make ``shard``; no shards are the whole dataset.
    private var shardIndex: Int {
        get { shard?.index ?? 0 }
        set { setShard(newValue, shardCount) }
    }
    private var shardCount: Int {
        get { shard?.count ?? 0 }
        set { setShard(shardIndex, newValue) }
    }

    private mutating func setShard(_ index: Int, _ count: Int) {
        shard = index == 0 && count == 0 ? nil : Shard(index: index, count: count)
    }

    /// ``cacheRows`` in whole blocks.
    var partRows: Int {
        let (wanted, block) = (cacheRows ?? 4096, rows.blockRows)
        return (wanted + block - 1) / block * block
    }

    /// - Throws: ``DamaError/Code/invalidArgument`` naming the first value outside its range.
    func check() throws(DamaError) {
        try Self.table.check(self)
        try shard?.check()
    }
}
