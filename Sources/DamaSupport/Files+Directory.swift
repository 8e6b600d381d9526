import Glibc

extension Files {
    /// Replaces the directory at `path` as one: `fill` writes a new one beside it, which is then renamed.
    ///
    /// Readers see the old directory or the whole new one; what the old one held is removed, all of it. Where anything
    /// fails the old one stays and the new one is removed.
    /// - Parameter fill: is given the path of the new directory, empty.
    package static func replaceDirectory(
        _ path: String, fill: (_ temporary: String) throws(DamaError) -> Void
    ) throws(DamaError) {
        let target = try replaceable(path)
        let lock = try createTemporaryDirectory(for: target)
        let temporary = lock.path
        do throws(DamaError) {
            try fill(temporary)
            try synchronize(directory: temporary)
            // A directory can be renamed to a free name or over an empty one; another is exchanged.
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

    /// `path` without slashes at its end, and without symbolic links where it names something.
    package static func resolved(_ path: String) -> String {
        if let found = realpath(path, nil) {
            defer { free(found) }
            return String(cString: found)
        }
        // Scalars and not Characters: a slash can be part of a Character of several.
        var scalars = path.unicodeScalars
        while scalars.count > 1, scalars.last == "/" { scalars.removeLast() }
        return String(scalars)
    }

    /// What is replaced where `path` is to be: without links.
    static func replaceable(_ path: String) throws(DamaError) -> String {
        let target = resolved(path)
        guard !isSymbolicLink(target) else { throw .io("\(path) is a symbolic link that leads nowhere") }
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

    /// Removes what `path` names, a directory with all that it holds; symbolic links are removed, not followed. What the
    /// system refuses to remove stays.
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

    /// Exchanges two directories as one step where the system can; else the old one is gone afterwards.
    private static func exchange(_ new: String, _ old: String) throws(DamaError) {
        if exchangeNames(new, old) { return }
        guard errno == ENOSYS || errno == EINVAL || errno == EPERM else {
            throw .io("cannot exchange \(new) and \(old): \(describeErrno())")
        }
        try moveAside(new, old)
    }

    /// Puts one directory in the place of another, by way of a third name.
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
