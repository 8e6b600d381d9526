@testable import Dama
@testable import DamaSupport

/// Image files: any bytes give a ``DamaError`` or a picture of the stated size, which can be prepared for a model.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzImage(_ data: UnsafePointer<UInt8>, _ size: Int) -> CInt {
    var bytes = Array(UnsafeBufferPointer(start: data, count: size))
    // Broken checksums are tested occasionally too: they lead to the repair of files.
    if size % 4 != 3 { repairChecksums(&bytes) }
    var decoding = ImageDecoding()
    decoding.blendsOnWhite = size % 3 != 0
    guard let image = try? ImageDecoder.decode(bytes, limits: ImageLimits(pixels: 1 << 16), decoding) else { return 0 }
    guard image.pixels.count == 3 * image.width * image.height else { fatalError("wrong number of pixels") }
    var processor = ImageProcessor.clip(edge: 16)
    processor.padsToSquare = size % 2 == 0 && max(image.width, image.height) < 1024
    guard let prepared = try? processor.process(image) else {
        // Only a very narrow image that would grow beyond all limits may be rejected.
        guard max(image.width, image.height) / min(image.width, image.height) > 10_000 else {
            fatalError("\(image.width) × \(image.height) refused")
        }
        return 0
    }
    guard prepared.pixels.count == 3 * 16 * 16, prepared.pixels.allSatisfy(\.isFinite) else {
        fatalError("wrong result")
    }
    return 0
}

/// Corrects the chunks' checksums of a changed PNG file; otherwise no changed input would get past them.
private func repairChecksums(_ bytes: inout [UInt8]) {
    guard bytes.starts(with: [0x89, 0x50, 0x4E, 0x47]) else { return }
    var start = 8
    while start + 12 <= bytes.count {
        let length = bytes[start..<start + 4].reduce(0) { $0 << 8 | Int($1) }
        guard length <= bytes.count - start - 12 else { return }
        let checksum = CRC32.of(bytes[start + 4..<start + 8 + length])
        for index in 0..<4 {
            bytes[start + 8 + length + index] = UInt8(truncatingIfNeeded: checksum >> (24 - 8 * index))
        }
        start += 12 + length
    }
}
