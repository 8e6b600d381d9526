import DamaSupport
import XCTest

@testable import DamaRuntime

/// Copies beside other work, on a device that is emulated.
final class DeviceTransferTests: XCTestCase {
    private let backend = HostBackend(.cuda(0), isGuarded: true)

    private func content(_ memory: DeviceMemory) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: memory.byteCount)
        let status = bytes.withUnsafeMutableBytes { target in Result { try backend.copyOut(memory.start, to: target) } }
        try status.get()
        return bytes
    }

    /// Copies are made when they are waited for, those to the device at the latest at the end; abandoned ones never.
    func testCopiesAreMadeLate() throws {
        let device = try DeviceMemory(backend, byteCount: 4)
        let (first, second) = (try backend.staging(4), try backend.staging(4))
        let transfers = try backend.transfers(tickets: 2)
        func copyIn(_ value: UInt8, _ memory: StagingMemory, ticket: Int) throws {
            memory.bytes.initializeMemory(as: UInt8.self, repeating: value)
            try transfers.copyIn(UnsafeRawBufferPointer(memory.bytes), to: device.start, ticket: ticket)
        }
        try backend.clear(device.start, byteCount: 4)
        try transfers.begin()
        try copyIn(7, first, ticket: 0)
        try transfers.wait(for: 1)
        XCTAssertEqual(try content(device), [0, 0, 0, 0])
        try transfers.wait(for: 0)
        XCTAssertEqual(try content(device), [7, 7, 7, 7])
        try copyIn(8, first, ticket: 0)
        try transfers.end()
        XCTAssertEqual(try content(device), [8, 8, 8, 8])

        second.bytes.initializeMemory(as: UInt8.self, repeating: 1)
        try transfers.copyOut(device.start, to: second.bytes, ticket: 1)
        try transfers.wait(for: 0)
        XCTAssertEqual(Array(second.bytes), [1, 1, 1, 1])
        try transfers.wait(for: 1)
        XCTAssertEqual(Array(second.bytes), [8, 8, 8, 8])
        try copyIn(9, first, ticket: 0)
        transfers.abandon()
        try transfers.end()
        XCTAssertEqual(try content(device), [8, 8, 8, 8])
    }

    /// Memory of no byte, of less than a piece, of pieces with and without a rest, and of more than several threads read.
    func testStagedCopies() throws {
        for (piece, counts) in [(16, [0, 1, 15, 16, 17, 48, 100]), (5 << 20, [11_000_003, 3])] {
            let copies = StagedCopies(piece: piece)
            for count in counts {
                let source = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
                let device = try DeviceMemory(backend, byteCount: count)
                let status = source.withUnsafeBytes { bytes in
                    Result { try copies.copyIn(bytes, to: device.start, on: backend) }
                }
                try status.get()
                XCTAssertTrue(try content(device) == source, "\(count) bytes in pieces of \(piece)")
            }
        }
    }
}
