import DamaModels
import DamaSupport

/// A scored row as the journal stores it: its whole line of output except α_D.
struct ScoredRow {
    var id: JSON
    var hardness: PairHardness
    var flags: [String]

    /// Encodes δ, the numbers of sub-sentences, the flags, and the line in two parts, between which α_D is inserted
    /// later.
    func encoded() -> [UInt8] {
        var writer = ByteWriter()
        writer.append(hardness.delta)
        writer.append(UInt32(truncatingIfNeeded: hardness.chosen.count))
        writer.append(UInt32(truncatingIfNeeded: hardness.rejected.count))
        for part in [Array(flags.joined(separator: ",").utf8), head] {
            writer.append(UInt32(truncatingIfNeeded: part.count))
            writer.append(part)
        }
        writer.append(tail)
        return writer.bytes
    }

    private var head: [UInt8] {
        var bytes = Array("{\"id\":".utf8)
        id.write(to: &bytes)
        bytes += ",\"delta\":".utf8
        bytes += hardness.delta.description.utf8
        bytes += ",\"alpha_data\":".utf8
        return bytes
    }

    private var tail: [UInt8] {
        var bytes: [UInt8] = []
        for (name, sentences) in [("chosen", hardness.chosen), ("rejected", hardness.rejected)] {
            bytes += ",\"\(name)\":[".utf8
            for (index, sentence) in sentences.enumerated() {
                bytes += (index == 0 ? "{\"text\":" : ",{\"text\":").utf8
                JSON.string(sentence.text).write(to: &bytes)
                // Printed as `Float`: the digits of a `Double` would suggest more precision than the score has.
                bytes += ",\"score\":\(sentence.score),\"probability\":\(sentence.probability)}".utf8
            }
            bytes += "]".utf8
        }
        bytes += ",\"flags\":".utf8
        JSON.array(flags.map { .string($0) }).write(to: &bytes)
        bytes += "}\n".utf8
        return bytes
    }
}

/// A row as read back from the journal.
struct StoredRow {
    let delta: Double
    let chosenCount: Int
    let rejectedCount: Int
    let flags: [Substring]
    private let head: [UInt8]
    private let tail: [UInt8]

    init(decoding bytes: [UInt8]) throws(DamaError) {
        var reader = ByteReader(bytes[...], name: "journal record")
        delta = try reader.readDouble()
        guard delta.isFinite else { throw .io("a journal record says that a delta is \(delta); restart the job") }
        chosenCount = Int(try reader.read(UInt32.self))
        rejectedCount = Int(try reader.read(UInt32.self))
        let flagBytes = try reader.readBytes(Int(try reader.read(UInt32.self)))
        flags = String(decoding: flagBytes, as: UTF8.self).split(separator: ",")
        head = try reader.readBytes(Int(try reader.read(UInt32.self)))
        tail = try reader.readBytes(reader.remaining)
    }

    /// The line of output, with its line feed; without α_D in a shard.
    func line(alphaData: Double?) -> [UInt8] { head + Array((alphaData?.description ?? "null").utf8) + tail }
}
