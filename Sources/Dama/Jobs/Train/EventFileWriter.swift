import DamaSupport
import Glibc

/// Writes scalars over the steps of a run to a file that TensorBoard reads (`events.out.tfevents.…`).
///
/// Each run has its own file in the directory; TensorBoard reads them as one. An event is in the file when
/// ``add(step:scalars:)`` returns. Not safe for concurrent use.
package final class EventFileWriter {
    package var path: String { file.path }
    private let file: OpenFile
    private var size = 0
    /// Seconds since 1970.
    private let now: () -> Double

    /// - Parameters:
    ///   - directory: Created if it does not exist.
    ///   - step: The next step of a resumed run: TensorBoard then discards the values of this and later steps in
    ///     earlier files.
    package convenience init(directory: String, resumingAt step: Int? = nil) throws(DamaError) {
        try self.init(directory: directory, resumingAt: step, now: Self.clock)
    }

    init(directory: String, resumingAt step: Int?, now: @escaping () -> Double) throws(DamaError) {
        try Files.makeDirectoryOnce(directory)
        // TensorFlow's naming scheme: names sort by time and are unique.
        let seconds = String(Int(exactly: now().rounded(.down)) ?? 0)
        let stem =
            directory + "/events.out.tfevents." + String(repeating: "0", count: max(0, 10 - seconds.utf8.count))
            + "\(seconds).\(Self.hostName).\(getpid())"
        var number = 0
        while Files.isThere("\(stem).\(number)\(Self.suffix)") { number += 1 }
        file = try OpenFile(creating: "\(stem).\(number)\(Self.suffix)")
        self.now = now
        try append { $0.write(3, "brain.Event:2") }
        if let step {
            try append { event in
                Self.write(step, to: &event)
                event.write(7) { $0.write(1, Self.sessionStart) }
            }
        }
    }

    /// Adds values at a step, by tag; tags with the same part before a slash are grouped.
    ///
    /// - Throws: ``DamaError/Code/io`` if the file cannot be written; it then ends with the previous event.
    package func add(step: Int, scalars: [(String, Double)]) throws(DamaError) {
        try append { event in
            Self.write(step, to: &event)
            event.write(5) { summary in
                for (tag, value) in scalars {
                    summary.write(1) {
                        $0.write(1, tag)
                        $0.write(2, Float(value))
                    }
                }
            }
        }
    }

    // MARK: Files

    /// Distinguishes this writer's files from others; TensorBoard looks only for `tfevents`.
    private static let suffix = ".dama"

    /// Whether this writer writes files of this name.
    static func isOurs(_ name: String) -> Bool { isEventFile(name) && name.hasSuffix(suffix) }

    /// Whether a file of this name is an event file of any program.
    static func isEventFile(_ name: String) -> Bool { name.hasPrefix("events.out.tfevents.") }

    // MARK: Events and records

    // The field numbers are those of TensorFlow's event.proto and summary.proto.
    private static let sessionStart = 1

    private static func write(_ step: Int, to event: inout ProtobufWriter) {
        // A field with its default value is omitted.
        if step != 0 { event.write(2, step) }
    }

    private func append(_ body: (inout ProtobufWriter) -> Void) throws(DamaError) {
        var event = ProtobufWriter()
        event.write(1, now())
        body(&event)
        var record = ByteWriter()
        record.append(UInt64(event.bytes.count))
        record.append(Self.checksum(record.bytes))
        record.append(event.bytes)
        record.append(Self.checksum(event.bytes))
        do throws(DamaError) {
            try file.write(record.bytes, at: size)
        } catch {
            try? file.truncate(to: size)
            throw error
        }
        size += record.bytes.count
    }

    /// TensorFlow masks the checksums of its records, so that a record can contain records.
    private static func checksum(_ bytes: [UInt8]) -> UInt32 {
        let value = CRC32.of(bytes, .castagnoli)
        return (value >> 15 | value << 17) &+ 0xA282_EAD8
    }

    private static func clock() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
    }

    private static var hostName: String {
        var name = [CChar](repeating: 0, count: 256)
        guard gethostname(&name, name.count - 1) == 0, name[0] != 0 else { return "localhost" }
        let bytes = name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
        return String(decoding: bytes.map { $0 == UInt8(ascii: "/") ? UInt8(ascii: "_") : $0 }, as: UTF8.self)
    }
}
