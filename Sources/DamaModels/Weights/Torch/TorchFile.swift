import DamaArchive
import DamaSupport

/// A file of `torch.save` with a dictionary of tensors, mapped into memory: data is read on first use and never copied.
///
/// Such a file is a zip archive: NAME/data.pkl describes the tensors, NAME/data/K holds the elements of storage K.
/// ``TorchPickle`` reads the description and can run nothing. The checksums of the archive are not verified, since
/// that would read all weights.
struct TorchFile {
    /// The tensors in the order of the file.
    let tensors: [TensorView]

    /// A tensor in the file.
    struct Entry {
        var name: String
        var type: WeightType
        var shape: [Int]
        /// The tensor's bytes, counted from the start of the file. Tensors may share bytes.
        var range: Range<Int>
    }

    /// - Throws: ``DamaError/Code/io`` if the file cannot be read; ``DamaError/Code/unsupported`` for another format and
    ///   for objects other than tensors; ``DamaError/Code/model`` for wrong contents. The message names the file.
    init(path: String) throws(DamaError) {
        let file = try MappedFile(path: path)
        do {
            tensors = try Self.entries(file.bytes).map { entry in
                TensorView(
                    name: entry.name, type: entry.type, shape: entry.shape,
                    bytes: UnsafeRawBufferPointer(rebasing: file.bytes[entry.range]), owner: file)
            }
        } catch {
            throw DamaError(error.code, "\(path): \(error.message)")
        }
    }

    /// Reads the description of all tensors. Shapes, types and the sizes of storages are checked, so that the data can
    /// be sliced without further checks.
    static func entries(_ file: UnsafeRawBufferPointer) throws(DamaError) -> [Entry] {
        guard ZipDirectory.begins(file) else { throw notAnArchive(file) }
        let archive = try ZipDirectory(file)
        let suffix = "/data.pkl"
        guard let description = archive.names.filter({ $0.hasSuffix(suffix) }).min(),
            let pickle = try stored(description, in: archive)
        else { throw .unsupported("the zip archive has no data.pkl; expected a file that torch.save wrote") }
        let folder = description.dropLast(suffix.count)
        if let order = try stored("\(folder)/byteorder", in: archive), !file[order].elementsEqual("little".utf8) {
            throw .unsupported("the file was written on a machine with another byte order than little-endian")
        }
        var entries: [Entry] = []
        var names: Set<ExactText> = []
        for (name, tensor) in try TorchPickle.tensors(UnsafeRawBufferPointer(rebasing: file[pickle])) {
            guard names.insert(ExactText(name)).inserted else { throw .model("tensor \(quoted(name)) is there twice") }
            guard let member = try stored("\(folder)/data/\(tensor.storage.key)", in: archive) else {
                throw .model(
                    "tensor \(quoted(name)): the zip archive has no member data/\(tensor.storage.key), its storage")
            }
            entries.append(try entry(name, tensor, in: member))
        }
        return entries
    }

    /// The bytes of a member in the file; `nil` if there is no such member.
    private static func stored(_ name: String, in archive: ZipDirectory) throws(DamaError) -> Range<Int>? {
        guard let member = archive[name] else { return nil }
        guard member.isStored else {
            throw .unsupported(
                "the member \(quoted(name)) of the zip archive is \(member.methodName); torch.save stores members as "
                    + "they are")
        }
        return member.range
    }

    /// - Parameter member: the bytes of the tensor's storage.
    private static func entry(
        _ name: String, _ tensor: StoredTensor, in member: Range<Int>
    ) throws(DamaError) -> Entry {
        let storage = tensor.storage
        let size = max(1, (storage.type.bits ?? 0) / 8)
        guard member.count / size >= storage.count else {
            throw .model(
                "tensor \(quoted(name)): its storage has \(member.count) bytes; expected \(storage.count) elements of "
                    + "\(size) byte" + (size == 1 ? "" : "s"))
        }
        let start = member.lowerBound + tensor.offset * size
        return Entry(
            name: name, type: storage.type, shape: tensor.shape, range: start..<start + tensor.count * size)
    }

    private static func notAnArchive(_ bytes: UnsafeRawBufferPointer) -> DamaError {
        // A pickle of protocol 2, or a tar archive: torch before 1.6.
        if bytes.first == 0x80 {
            return .unsupported(
                "the file has the format of torch before 1.6; load it with torch and save it again with torch.save")
        }
        if bytes.isEmpty { return .model("the file is empty") }
        return .unsupported("the file is not a zip archive; expected a file that torch.save wrote")
    }
}
