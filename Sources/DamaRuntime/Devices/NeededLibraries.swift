import DamaSupport

/// The names of the shared libraries that a shared library needs (DT_NEEDED), read from its file without loading it.
///
/// ONNX Runtime does not say which library its CUDA provider lacks. Loading the provider to find out would run its
/// code without the runtime that it expects.
///
/// Source: System V Application Binary Interface, chapter 5; 64-bit, little-endian.
enum NeededLibraries {
    /// - Throws: ``DamaError/Code/io`` for a file that cannot be read; ``DamaError/Code/unsupported`` for one that is not
    ///   a shared library for 64-bit processors.
    static func read(_ path: String) throws(DamaError) -> [String] {
        let file = try MappedFile(path: path)
        return try withExtendedLifetime(file) { () throws(DamaError) in
            guard let names = names(in: file.bytes) else {
                throw .unsupported("\(path) is not a shared library for 64-bit processors")
            }
            return names
        }
    }

    /// `nil` if the bytes are not such a library, or are damaged.
    static func names(in bytes: UnsafeRawBufferPointer) -> [String]? {
        guard bytes.starts(with: [0x7F, 0x45, 0x4C, 0x46, 2, 1]), let table = bytes.number(at: 32, size: 8),
            let entry = bytes.number(at: 54, size: 2), let count = bytes.number(at: 56, size: 2), entry >= 56
        else { return nil }
        /// Where addresses lie in the file.
        var segments: [(address: Int, offset: Int, size: Int)] = []
        var dynamic: (offset: Int, size: Int)?
        for index in 0..<count {
            guard let start = bytes.place(table, index, entry), let type = bytes.number(at: start, size: 4),
                let offset = bytes.number(at: start + 8, size: 8), let address = bytes.number(at: start + 16, size: 8),
                let size = bytes.number(at: start + 32, size: 8)
            else { return nil }
            if type == 1 { segments.append((address, offset, size)) }
            if type == 2 { dynamic = (offset, size) }
        }
        guard let dynamic else { return nil }
        var (names, strings): ([Int], Int?) = ([], nil)
        for index in 0..<dynamic.size / 16 {
            guard let start = bytes.place(dynamic.offset, index, 16), let tag = bytes.number(at: start, size: 8),
                let value = bytes.number(at: start + 8, size: 8)
            else { return nil }
            if tag == 0 { break }
            if tag == 1 { names.append(value) }
            if tag == 5 {
                let segment = segments.first { value >= $0.address && value - $0.address < $0.size }
                strings = segment.flatMap { bytes.place($0.offset, value - $0.address, 1) }
            }
        }
        guard let strings else { return nil }
        var found: [String] = []
        for name in names {
            guard let start = bytes.place(strings, name, 1), start < bytes.count,
                let end = bytes[start...].prefix(4096).firstIndex(of: 0)
            else { return nil }
            found.append(String(decoding: bytes[start..<end], as: UTF8.self))
        }
        return found
    }
}

extension UnsafeRawBufferPointer {
    /// A little-endian number; `nil` outside the bytes, or if it does not fit an Int.
    fileprivate func number(at start: Int, size: Int) -> Int? {
        guard start >= 0, start <= count - size else { return nil }
        var word: UInt64 = 0
        for index in 0..<size { word |= UInt64(self[start + index]) << UInt64(8 * index) }
        return Int(exactly: word)
    }

    /// start + index · size within the bytes.
    fileprivate func place(_ start: Int, _ index: Int, _ size: Int) -> Int? {
        let (offset, overflow) = index.multipliedReportingOverflow(by: size)
        let (place, outside) = start.addingReportingOverflow(offset)
        return overflow || outside || place < 0 || place > count ? nil : place
    }
}
