import DamaSupport
import Glibc

/// Scalars over the steps of a run, in a file that TensorBoard reads (`events.out.tfevents.…`).
///
/// Each run has a file of its own in the directory; TensorBoard reads them as one. An event is in the file when
/// ``add(step:scalars:)`` returns. Not for use by two threads at the same time.
package final class EventFileWriter {
    package var path: String { file.path }
    private let file: OpenFile
    private var size = 0
    /// Seconds since 1970.
    private let now: () -> Double

    /// - Parameters:
    ///   - directory: made where it is missing.
    ///   - step: of a run that goes on, the next step: TensorBoard forgets what earlier files say of it and of later ones.
    package convenience init(directory: String, resumingAt step: Int? = nil) throws(DamaError) {
        try self.init(directory: directory, resumingAt: step, now: Self.clock)
    }

    init(directory: String, resumingAt step: Int?, now: @escaping () -> Double) throws(DamaError) {
        try Files.makeDirectoryOnce(directory)
        // The names that TensorFlow gives: in the order of time, and no two alike.
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

    /// Adds values at a step, by tag; a slash in a tag groups it with others.
    ///
    /// - Throws: ``DamaError/Code/io`` where the disk refuses; the file then ends with the event before.
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

    /// By which files of this writer are told from others'; TensorBoard looks for `tfevents` alone.
    private static let suffix = ".dama"

    /// Whether a file of this name is one of this writer's.
    static func isOurs(_ name: String) -> Bool { isEventFile(name) && name.hasSuffix(suffix) }

    /// Whether a file of this name holds events, whoever wrote it.
    static func isEventFile(_ name: String) -> Bool { name.hasPrefix("events.out.tfevents.") }

    // MARK: Events and records

    // The numbers are those of the fields in TensorFlow's event.proto and summary.proto.
    private static let sessionStart = 1

    private static func write(_ step: Int, to event: inout ProtobufWriter) {
        // A field at its default is left out.
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

    /// TensorFlow masks the checksums of its records, so that a record may hold records.
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
