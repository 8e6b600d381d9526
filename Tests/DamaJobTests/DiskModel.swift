import Synchronization
import XCTest

@testable import DamaSupport

/// Records a job's file operations call by call, and models the state of the disk after a power failure.
///
/// The model assumes only what POSIX guarantees. A write without a later `fsync` of its file may be on disk completely,
/// in part or not at all. A name that was created, changed or removed may be on disk or not until its directory is
/// synchronised; the names of one directory change in order. A rename is on disk in both directories or in neither.
final class DiskModel: Sendable {
    struct Node {
        var isDirectory = false
        /// A file's writes and truncations, in order.
        var changes: [(number: Int, change: Change)] = []
        /// Changes with a smaller number are durable.
        var lastingBefore = 0
    }

    enum Change {
        case write(offset: Int, bytes: [UInt8])
        case cut(size: Int)
    }

    /// A change of names: the new target of each entry, `nil` for a removed one.
    struct NameChange {
        var number: Int
        var entries: [(directory: Int, name: String, node: Int?)]
    }

    private struct State {
        var count = 0
        var nodes = [Node(isDirectory: true)]
        /// The names as the job sees them, by directory.
        var names: [[String: Int]] = [[:]]
        var nameChanges: [NameChange] = []
        /// The synchronisations of directories: number of the call, and directory.
        var directorySyncs: [(number: Int, directory: Int)] = []
        var fileSyncs: [(number: Int, node: Int)] = []
    }

    private let root: String
    private let state = Mutex(State())

    init(root: String) { self.root = root }

    /// Records the operations of `body` in the folder.
    func record(_ body: () throws -> Void) rethrows {
        FileCall.setHook { [self] call in
            note(call)
            return 0
        }
        defer { FileCall.setHook(nil) }
        try body()
    }

    /// The number of recorded calls.
    var callCount: Int { state.withLock { $0.count } }

    // MARK: Noting

    private func parts(_ path: String) -> [String]? {
        guard path == root || path.hasPrefix(root + "/") else { return nil }
        return path.dropFirst(root.count).split(separator: "/").map(String.init)
    }

    /// The directory that holds `path`, and the name in it.
    private func place(_ path: String, _ state: State) -> (directory: Int, name: String)? {
        guard let parts = parts(path), let name = parts.last else { return nil }
        var directory = 0
        for part in parts.dropLast() {
            guard let next = state.names[directory][part] else { return nil }
            directory = next
        }
        return (directory, name)
    }

    private func node(_ path: String, _ state: State) -> Int? {
        if parts(path)?.isEmpty ?? false { return 0 }
        return place(path, state).flatMap { state.names[$0.directory][$0.name] }
    }

    private func note(_ call: borrowing FileCall) {
        state.withLock { state in
            let number = state.count
            state.count += 1
            func make(_ path: String, isDirectory: Bool) {
                guard let place = place(path, state), state.names[place.directory][place.name] == nil else { return }
                state.nodes.append(Node(isDirectory: isDirectory))
                state.names.append([:])
                change([(place.directory, place.name, state.nodes.count - 1)])
            }
            func change(_ entries: [(Int, String, Int?)]) {
                for (directory, name, node) in entries { state.names[directory][name] = node }
                state.nameChanges.append(
                    NameChange(number: number, entries: entries.map { (directory: $0.0, name: $0.1, node: $0.2) }))
            }
            switch call {
            case .open(let path, let creates): if creates { make(path, isDirectory: false) }
            case .makeDirectory(let path): make(path, isDirectory: true)
            case .write(let path, let offset, let bytes):
                guard let node = node(path, state) else { return }
                state.nodes[node].changes.append((number, .write(offset: offset, bytes: Array(bytes))))
            case .truncate(let path, let size):
                guard let node = node(path, state) else { return }
                state.nodes[node].changes.append((number, .cut(size: size)))
            case .synchronize(let path):
                if let node = node(path, state) { state.fileSyncs.append((number, node)) }
            case .synchronizeDirectory(let path):
                if let node = node(path, state) { state.directorySyncs.append((number, node)) }
            case .rename(let from, let to):
                guard let old = place(from, state), let new = place(to, state),
                    let node = state.names[old.directory][old.name]
                else { return }
                // A directory cannot replace a non-empty one.
                if let there = state.names[new.directory][new.name], !state.names[there].isEmpty { return }
                change([(old.directory, old.name, nil), (new.directory, new.name, node)])
            case .exchange(let a, let b):
                guard let first = place(a, state), let second = place(b, state) else { return }
                let nodes = (
                    state.names[first.directory][first.name], state.names[second.directory][second.name]
                )
                change([(first.directory, first.name, nodes.1), (second.directory, second.name, nodes.0)])
            case .remove(let path):
                guard let place = place(path, state), let node = state.names[place.directory][place.name],
                    state.names[node].isEmpty
                else { return }
                change([(place.directory, place.name, nil)])
            }
        }
    }

    // MARK: After the failure

    /// The disk's contents by path after a power failure before call `end`: files with their bytes, `nil` for
    /// directories.
    ///
    /// - Parameter keepsLittle: Drops everything that was not synchronised; otherwise the choice is random.
    func disk(
        at end: Int, keepsLittle: Bool, using generator: inout some RandomNumberGenerator
    ) -> [String: [UInt8]?] {
        let state = state.withLock { $0 }
        let changes = state.nameChanges.filter { $0.number < end }
        // The changes of each directory that reached the disk: a prefix of them, with at least those before its last
        // synchronisation.
        var kept: [Int: Int] = [:]
        var seen: [Int: Int] = [:]
        for directory in state.nodes.indices where state.nodes[directory].isDirectory {
            let numbers = changes.filter { $0.entries.contains { $0.directory == directory } }.map(\.number)
            let sync = state.directorySyncs.last { $0.directory == directory && $0.number < end }?.number ?? -1
            let least = numbers.count { $0 < sync }
            kept[directory] = keepsLittle ? least : Int.random(in: least...numbers.count, using: &generator)
        }
        var names = state.names.map { _ in [String: Int]() }
        for change in changes {
            let directories = Set(change.entries.map(\.directory))
            let isForced = directories.contains { directory in
                state.directorySyncs.contains {
                    $0.directory == directory && $0.number > change.number && $0.number < end
                }
            }
            let isKept = directories.allSatisfy { seen[$0, default: 0] < kept[$0, default: 0] }
            for directory in directories { seen[directory, default: 0] += 1 }
            guard isForced || isKept else { continue }
            for entry in change.entries { names[entry.directory][entry.name] = entry.node }
        }
        var disk: [String: [UInt8]?] = [:]
        func visit(_ directory: Int, _ path: String) {
            for (name, node) in names[directory].sorted(by: { $0.key < $1.key }) {
                let place = path.isEmpty ? name : "\(path)/\(name)"
                if state.nodes[node].isDirectory {
                    disk[place] = .some(nil)
                    visit(node, place)
                } else {
                    disk[place] = contents(node, state, end, keepsLittle, &generator)
                }
            }
        }
        visit(0, "")
        return disk
    }

    private func contents(
        _ node: Int, _ state: State, _ end: Int, _ keepsLittle: Bool, _ generator: inout some RandomNumberGenerator
    ) -> [UInt8] {
        let sync = state.fileSyncs.last { $0.node == node && $0.number < end }?.number ?? -1
        var bytes: [UInt8] = []
        for (number, change) in state.nodes[node].changes where number < end {
            if number > sync, keepsLittle || Bool.random(using: &generator) { continue }
            switch change {
            case .cut(let size):
                bytes = Array(bytes.prefix(size)) + Array(repeating: 0, count: max(0, size - bytes.count))
            case .write(let offset, let new):
                var new = new
                // Torn in the middle, as on a disk that writes in blocks.
                if number > sync, Int.random(in: 0..<4, using: &generator) == 0 {
                    new = Array(new.prefix(Int.random(in: 0...new.count, using: &generator)))
                }
                if bytes.count < offset + new.count {
                    bytes += Array(repeating: 0, count: offset + new.count - bytes.count)
                }
                bytes.replaceSubrange(offset..<offset + new.count, with: new)
            }
        }
        return bytes
    }
}

extension [String: [UInt8]?] {
    /// Writes the files and directories to a folder.
    func write(to folder: String) throws {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        for (name, bytes) in sorted(by: { $0.key < $1.key }) {
            let path = "\(folder)/\(name)"
            if let bytes {
                try Data(bytes).write(to: URL(fileURLWithPath: path))
            } else {
                try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
            }
        }
    }
}
