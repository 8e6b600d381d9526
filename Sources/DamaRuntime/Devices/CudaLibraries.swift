import CDamaCuda
import DamaSupport
import Glibc

/// The libraries of CUDA that a runtime's CUDA provider needs, and what the driver runs.
struct CudaLibraries {
    /// The version of ONNX Runtime, for messages.
    var runtime: String
    /// The libraries that the provider's file names.
    var needed: [String]
    /// Those of them that the loader does not find, and libraries that these need in turn.
    var missing: [String] = []
    /// The newest version of CUDA that the driver runs, 13000 for 13.0; 0 if it is not known.
    var driver: Int
    /// Other versions of missing libraries that the loader does find.
    var others: [String] = []

    /// Reads the needs of the provider in the folder of the runtime, and looks for each library.
    ///
    /// - Parameter library: the runtime's file.
    init(runtime: String, library: String) throws(DamaError) {
        let folder = library.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
        self.runtime = runtime
        needed = try NeededLibraries.read("\(folder)/libonnxruntime_providers_cuda.so")
        driver = Int(cdama_cuda_driver_version())
        for name in needed where Self.isOfCuda(name) {
            guard dlopen(name, RTLD_LAZY | RTLD_LOCAL) == nil else { continue }
            // "libcublasLt.so.13: cannot open shared object file": of a library that this one needs.
            let reason = dlerror().map { String(cString: $0) } ?? ""
            let culprit = reason.split(separator: ":").first.map(String.init) ?? name
            let found = reason.contains("cannot open shared object file") && !culprit.contains("/") ? culprit : name
            if !missing.contains(found) { missing.append(found) }
        }
        others = missing.flatMap { Self.neighbours(of: $0) }.filter { dlopen($0, RTLD_LAZY | RTLD_LOCAL) != nil }
    }

    init(runtime: String, needed: [String], missing: [String], driver: Int, others: [String] = []) {
        (self.runtime, self.needed, self.missing) = (runtime, needed, missing)
        (self.driver, self.others) = (driver, others)
    }

    /// - Throws: ``DamaError/Code/unsupported`` if a library is missing, or the driver is too old.
    func check() throws(DamaError) {
        if let problem { throw .unsupported(problem) }
    }

    // MARK: In messages

    /// What keeps the provider from running, in one line; `nil` if nothing is known to.
    var problem: String? {
        if !missing.isEmpty {
            let packages = missing.compactMap { package(of: $0) }.reduce(into: [String]()) { known, name in
                if !known.contains(name) { known.append(name) }
            }
            let brings =
                packages.isEmpty
                ? "`pip install 'onnxruntime-gpu[cuda,cudnn]'` brings it"
                : "`pip install \(packages.joined(separator: " "))` brings \(packages.count == 1 ? "it" : "them")"
            let instead = others.isEmpty ? "" : " (there is \(others.joined(separator: ", ")), of another version)"
            return "ONNX Runtime \(runtime) is built for \(built), and the loader does not find "
                + "\(missing.joined(separator: ", "))\(instead); \(brings), and LD_LIBRARY_PATH must name "
                + "\(packages.count == 1 ? "its folder" : "their folders")\(driverNote)"
        }
        guard let major, driver > 0, driver / 1000 < major else { return nil }
        return "the CUDA driver runs CUDA up to \(driver / 1000).\(driver % 1000 / 10), and ONNX Runtime \(runtime) "
            + "is built for \(built): update the driver\(Self.oldestDriver(for: major)), or install an "
            + "onnxruntime-gpu that is built for CUDA \(driver / 1000)"
    }

    /// The major version of CUDA that the provider was built with, from the names that it asks for.
    var major: Int? {
        for stem in ["libcudart.so.", "libcublasLt.so.", "libcublas.so."] {
            for name in needed where name.hasPrefix(stem) {
                if let number = Int(name.dropFirst(stem.count).prefix { $0 != "." }) { return number }
            }
        }
        return nil
    }

    private var built: String { major.map { "CUDA \($0)" } ?? "another version of CUDA" }

    private var driverNote: String {
        driver == 0 ? "" : "; the driver runs CUDA up to \(driver / 1000).\(driver % 1000 / 10)"
    }

    /// The oldest driver of a major version, as NVIDIA's release notes of the CUDA toolkit give it for Linux.
    private static func oldestDriver(for major: Int) -> String {
        switch major {
        case 11: " to 450 or later"
        case 12: " to 525 or later"
        case 13: " to 580 or later"
        default: ""
        }
    }

    private static func isOfCuda(_ name: String) -> Bool {
        ["libcu", "libnv"].contains(where: name.hasPrefix) && !name.hasPrefix("libcuda.so")
    }

    /// The same library of the versions before and after.
    private static func neighbours(of name: String) -> [String] {
        guard let place = name.utf8.lastIndex(of: UInt8(ascii: ".")), let number = Int(name[place...].dropFirst())
        else { return [] }
        return [number - 1, number + 1].map { "\(name[..<place]).\($0)" }
    }

    /// The package on PyPI that holds a library. Those for CUDA 13 have no suffix, apart from cuDNN's.
    private func package(of name: String) -> String? {
        let stems = [
            ("libcublas", "cublas"), ("libcudart", "cuda-runtime"), ("libcurand", "curand"), ("libcufft", "cufft"),
            ("libcudnn", "cudnn"), ("libnvrtc", "cuda-nvrtc"), ("libnvJitLink", "nvjitlink"),
        ]
        guard let stem = stems.first(where: { name.hasPrefix($0.0) })?.1, let major else { return nil }
        return "nvidia-\(stem)\(major >= 13 && stem != "cudnn" ? "" : "-cu\(major)")"
    }
}
