import Glibc

extension Files {
    /// Replaces the directory at `path` atomically: `fill` writes a new one beside it, which is then renamed.
    ///
    /// Readers see either the old directory or the complete new one; on a file system that cannot exchange names, there
    /// is none for a moment. All contents of the old directory are removed. On failure the old directory stays and the
    /// new one is removed.
    /// - Parameter fill: Called with the path of the new, empty directory.
    package static func replaceDirectory(
        _ path: String, fill: (_ temporary: String) throws(DamaError) -> Void
    ) throws(DamaError) {
        let target = try replaceable(path)
        let lock = try createTemporaryDirectory(for: target)
        let temporary = lock.path
        do throws(DamaError) {
            try fill(temporary)
            try synchronize(directory: temporary)
            // A directory can be renamed to a free name or over an empty directory; any other target is exchanged.
            if !renameOnce(temporary, to: target) {
                guard errno == ENOTEMPTY || errno == EEXIST else {
                    throw .io("cannot rename \(temporary) to \(target): \(describeErrno())")
                }
                try exchange(temporary, target)
            }
            try synchronize(directory: folder(of: target))
        } catch {
            removeTree(temporary)
            throw error
        }
        removeTree(temporary)
    }

    /// `path` without slashes at its end, and, if it exists, without symbolic links.
    package static func resolved(_ path: String) -> String {
        if let found = realpath(path, nil) {
            defer { free(found) }
            return String(cString: found)
        }
        // Scalars, not Characters: a slash can be part of a Character of several scalars.
        var scalars = path.unicodeScalars
        while scalars.count > 1, scalars.last == "/" { scalars.removeLast() }
        return String(scalars)
    }

    /// The path, without links, that a replacement of `path` must replace.
    static func replaceable(_ path: String) throws(DamaError) -> String {
        let target = resolved(path)
        guard !isSymbolicLink(target) else { throw .io("\(path) is a symbolic link whose target does not exist") }
        return target
    }

    /// The names in a directory, sorted.
    package static func names(in directory: String) throws(DamaError) -> [String] {
        guard let stream = opendir(directory) else { throw .io("cannot open \(directory): \(describeErrno())") }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    /// Removes `path`, a directory with all its contents. Symbolic links are removed, not followed. Entries that the
    /// system refuses to remove stay.
    package static func removeTree(_ path: String) {
        var status = stat()
        guard lstat(path, &status) == 0 else { return }
        guard status.st_mode & S_IFMT == S_IFDIR else {
            remove(path)
            return
        }
        for name in (try? names(in: path)) ?? [] { removeTree("\(path)/\(name)") }
        remove(path)
    }

    /// Exchanges two directories, atomically if the system can; otherwise by two renames, which remove the old one.
    private static func exchange(_ new: String, _ old: String) throws(DamaError) {
        if exchangeNames(new, old) { return }
        guard errno == ENOSYS || errno == EINVAL || errno == EPERM else {
            throw .io("cannot exchange \(new) and \(old): \(describeErrno())")
        }
        try moveAside(new, old)
    }

    /// Moves one directory to the place of another, by way of a third name.
    static func moveAside(_ new: String, _ old: String) throws(DamaError) {
        let aside = aside(new)
        try rename(old, to: aside)
        do throws(DamaError) {
            try rename(new, to: old)
        } catch {
            try rename(aside, to: old)
            throw error
        }
        removeTree(aside)
    }
}
