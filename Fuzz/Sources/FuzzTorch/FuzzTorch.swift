@testable import DamaModels

/// A file of torch.save: any bytes give a ``DamaError`` or tensors within the file. The input is read as a whole file,
/// and as the pickle of one alone, which a fuzzer could hardly reach through the archive.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzTorch(_ data: UnsafePointer<UInt8>, _ size: Int) -> CInt {
    let raw = UnsafeRawBufferPointer(start: data, count: size)
    for entry in (try? TorchFile.entries(raw)) ?? [] {
        guard entry.range.lowerBound >= 0, entry.range.upperBound <= size else {
            fatalError("\(entry.name) lies at \(entry.range) of \(size) bytes")
        }
        check(entry.shape, entry.range.count * 8, bits: entry.type.bits ?? 0)
    }
    for (_, tensor) in (try? TorchPickle.tensors(raw)) ?? [] {
        guard tensor.offset >= 0, tensor.offset + tensor.count <= tensor.storage.count else {
            fatalError("\(tensor) exceeds its storage")
        }
        check(tensor.shape, tensor.count, bits: 1)
    }
    return 0
}

private func check(_ shape: [Int], _ count: Int, bits: Int) {
    guard shape.reduce(bits, *) == count else { fatalError("\(shape) has not \(count) bits") }
}
