import DamaSupport

/// A safetensors file, mapped into memory: data is read on first use and never copied.
public struct SafetensorsFile: Sendable {
    public let path: String
    /// Every tensor's name, in the order of the data.
    public let names: [String]
    /// The strings of `__metadata__`; Hugging Face writes `format: pt`.
    public let metadata: [String: String]
    private let tensors: [String: TensorView]

    /// Maps the file and checks its whole header.
    ///
    /// - Throws: ``DamaError/Code/io`` if the file cannot be read; ``DamaError/Code/model`` if its contents are wrong.
    ///   The message names the file and the tensor, and says what was found and what was expected.
    public init(path: String) throws(DamaError) {
        let file = try MappedFile(path: path)
        let header: SafetensorsHeader
        do {
            header = try SafetensorsHeader(parsing: file.bytes)
        } catch {
            throw DamaError(error.code, "\(path): \(error.message)")
        }
        self.path = path
        metadata = header.metadata
        names = header.entries.map(\.name)
        var tensors = [String: TensorView](minimumCapacity: header.entries.count)
        for entry in header.entries {
            tensors[entry.name] = TensorView(
                name: entry.name, type: entry.type, shape: entry.shape,
                bytes: UnsafeRawBufferPointer(rebasing: file.bytes[entry.range]), owner: file)
        }
        self.tensors = tensors
    }

    public subscript(name: String) -> TensorView? { tensors[name] }
}
