import CDamaShims
import Glibc

extension Files {
    /// Replaces the directory at `path` as one: `fill` writes a new one beside it, which is then renamed.
    ///
    /// Readers see the old directory or the whole new one; what the old one held is removed, all of it. Where anything
    /// fails the old one stays and the new one is removed.
    /// - Parameter fill: is given the path of the new directory, empty.
    public static func replaceDirectory(
        _ path: String, fill: (_ temporary: String) throws(DamaError) -> Void
    ) throws(DamaError) {
        let target = resolved(path)
        let temporary = "\(target).tmp-\(getpid())"
        // What is there under this name was left behind by an earlier process of this number.
        removeTree(temporary)
        guard mkdir(temporary, 0o777) == 0 else { throw .io("cannot make \(temporary): \(describeErrno())") }
        do throws(DamaError) {
            try fill(temporary)
            synchronize(directory: temporary)
            // A directory can be renamed to a free name or over an empty one; another is exchanged.
            if rename(temporary, target) != 0 {
                guard errno == ENOTEMPTY || errno == EEXIST else {
                    throw .io("cannot rename \(temporary) to \(target): \(describeErrno())")
                }
                try exchange(temporary, target)
            }
        } catch {
            removeTree(temporary)
            throw error
        }
        synchronize(directory: folder(of: target))
        removeTree(temporary)
    }

    /// `path` without slashes at its end, and without symbolic links where it names something.
    public static func resolved(_ path: String) -> String {
        if let found = realpath(path, nil) {
            defer { free(found) }
            return String(cString: found)
        }
        var path = path
        while path.utf8.count > 1, path.utf8.last == UInt8(ascii: "/") { path.removeLast() }
        return path
    }

    /// The names in a directory, sorted.
    public static func names(in directory: String) throws(DamaError) -> [String] {
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
    public static func removeTree(_ path: String) {
        var status = stat()
        guard lstat(path, &status) == 0 else { return }
        guard status.st_mode & S_IFMT == S_IFDIR else {
            unlink(path)
            return
        }
        for name in (try? names(in: path)) ?? [] { removeTree("\(path)/\(name)") }
        rmdir(path)
    }

    /// Exchanges two directories as one step where the system can; else the old one is gone afterwards.
    private static func exchange(_ new: String, _ old: String) throws(DamaError) {
        if cdama_exchange(new, old) == 0 { return }
        guard errno == ENOSYS || errno == EINVAL || errno == EPERM else {
            throw .io("cannot exchange \(new) and \(old): \(describeErrno())")
        }
        try moveAside(new, old)
    }

    /// Puts one directory in the place of another, by way of a third name.
    static func moveAside(_ new: String, _ old: String) throws(DamaError) {
        let aside = "\(new).old"
        guard rename(old, aside) == 0 else { throw .io("cannot rename \(old) to \(aside): \(describeErrno())") }
        guard rename(new, old) == 0 else {
            let text = describeErrno()
            rename(aside, old)
            throw .io("cannot rename \(new) to \(old): \(text)")
        }
        removeTree(aside)
    }
}
