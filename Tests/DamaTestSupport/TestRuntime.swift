import Foundation

/// The ONNX Runtime that tests use.
package enum TestRuntime {
    /// Names the wheel in the repository's own environment, unless the caller's environment names one.
    ///
    /// `make test` sets the variable; this serves a bare `swift test`.
    package static func configure(file: StaticString = #filePath) {
        if let given = getenv("DAMA_ONNXRUNTIME"), given.pointee != 0 { return }
        let root = URL(fileURLWithPath: "\(file)").deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let libraries = root.appendingPathComponent(".deps/python/lib")
        let folders = (try? FileManager.default.contentsOfDirectory(atPath: libraries.path)) ?? []
        for folder in folders.sorted() where folder.hasPrefix("python3") {
            let capi = libraries.appendingPathComponent("\(folder)/site-packages/onnxruntime/capi")
            let files = (try? FileManager.default.contentsOfDirectory(atPath: capi.path)) ?? []
            if let name = files.first(where: { $0.hasPrefix("libonnxruntime.so") }) {
                setenv("DAMA_ONNXRUNTIME", capi.appendingPathComponent(name).path, 1)
                return
            }
        }
    }
}
