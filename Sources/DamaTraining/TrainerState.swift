import DamaModels
import DamaPreference
import DamaSupport

/// The state that a checkpoint holds in addition to its tensors, as a JSON text in the file's metadata.
struct TrainerState {
    var steps: UInt64
    var skipped: UInt64
    var controller: AdaptiveBeta
    var note: JSON
    /// `nil` unless the training is in fp16.
    var lossScale: LossScale?

    private static let stateKey = "dama.trainer"
    private static let digestKey = "dama.sha256"
    private static let version = 1
    /// More steps than any training takes. Counting further does not overflow, and a double represents it exactly.
    private static let mostSteps: UInt64 = 1 << 53

    init(steps: UInt64, skipped: UInt64, controller: AdaptiveBeta, note: JSON, lossScale: LossScale? = nil) {
        self.steps = steps
        self.skipped = skipped
        self.controller = controller
        self.note = note
        self.lossScale = lossScale
    }

    // MARK: In a checkpoint

    /// The metadata of a checkpoint with these tensors.
    func metadata(beside tensors: [(name: String, bytes: UnsafeRawBufferPointer)]) -> [String: String] {
        var fields: [JSONObject.Member] = [
            (key: "version", value: .int(Int64(Self.version))), (key: "steps", value: .string(String(steps))),
            (key: "skipped", value: .string(String(skipped))),
            (key: "controller", value: .string(Hexadecimal.text(of: controller.state()))), (key: "note", value: note),
        ]
        if let lossScale { fields.append((key: "loss_scale", value: lossScale.json)) }
        return Self.metadata(JSON.object(JSONObject(fields)).text, tensors)
    }

    static func metadata(
        _ text: String, _ tensors: [(name: String, bytes: UnsafeRawBufferPointer)]
    ) -> [String: String] {
        [stateKey: text, digestKey: digest(text, tensors)]
    }

    /// Reads the state of a checkpoint and verifies the file's hash.
    ///
    /// - Throws: ``DamaError/Code/model`` for a file that is damaged or not a checkpoint.
    init(checkpoint file: SafetensorsFile) throws(DamaError) {
        let path = file.path
        guard let text = file.metadata[Self.stateKey], let expected = file.metadata[Self.digestKey] else {
            throw .model("\(path) is not a trainer's checkpoint: its metadata has no \"\(Self.stateKey)\"")
        }
        // The bytes belong to the file's mapping, which must stay alive while they are read.
        let found = withExtendedLifetime(file) {
            Self.digest(text, file.names.compactMap { name in file[name].map { (name, $0.bytes) } })
        }
        guard found == expected else {
            throw .model("\(path) is damaged: its contents have the SHA-256 \(found), expected \(expected)")
        }
        try self.init(parsing: text, path: path)
    }

    /// - Throws: ``DamaError/Code/model`` for a text that a trainer cannot have written.
    private init(parsing text: String, path: String) throws(DamaError) {
        let state: JSON
        do {
            state = try JSON(parsing: text)
        } catch {
            throw .model("\(path): \(error.message)")
        }
        guard state["version"]?.int == Self.version else {
            throw .model("\(path) has version \(state["version"]?.text ?? "none"); this library reads \(Self.version)")
        }
        guard let steps = state["steps"]?.string.flatMap({ UInt64($0) }),
            let skipped = state["skipped"]?.string.flatMap({ UInt64($0) }),
            let bytes = state["controller"]?.string.flatMap(Hexadecimal.bytes)
        else { throw .model("\(path) is damaged: steps, skipped or controller is missing in its metadata") }
        guard max(steps, skipped) <= Self.mostSteps else {
            throw .model("\(path) is damaged: it counts \(steps) updates and \(skipped) skipped ones")
        }
        do {
            controller = try AdaptiveBeta(state: bytes)
        } catch {
            throw .model("\(path) is damaged: \(error.message)")
        }
        self.steps = steps
        self.skipped = skipped
        note = state["note"] ?? .null
        lossScale = state["loss_scale"].flatMap { LossScale($0) }
    }

    private static func digest(_ text: String, _ tensors: [(name: String, bytes: UnsafeRawBufferPointer)]) -> String {
        var hash = SHA256()
        hash.update(UInt64(text.utf8.count))
        hash.update(text.utf8)
        for tensor in tensors.sorted(by: { $0.name < $1.name }) {
            hash.update(UInt64(tensor.name.utf8.count))
            hash.update(tensor.name.utf8)
            hash.update(tensor.bytes)
        }
        return hash.hexDigest
    }
}
