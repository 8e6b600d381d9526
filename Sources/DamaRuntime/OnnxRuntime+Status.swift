import COnnxRuntime
import DamaSupport

extension OnnxRuntime {
    /// Turns a status of the C API into an error with the runtime's message, and frees it.
    func check(_ status: OrtStatusPtr?) throws(DamaError) { try Self.check(api, status) }

    static func check(_ api: UnsafePointer<OrtApi>, _ status: OrtStatusPtr?) throws(DamaError) {
        guard let status else { return }
        defer { api.pointee.ReleaseStatus!(status) }
        let text = api.pointee.GetErrorMessage!(status).map { String(cString: $0) } ?? "no message"
        let message = oneLine(text)
        if let missing = missingLibrary(message) { throw .unsupported(missing) }
        switch api.pointee.GetErrorCode!(status) {
        case ORT_NO_SUCHFILE:
            throw .io("ONNX Runtime: \(message)")
        case ORT_NO_MODEL, ORT_INVALID_PROTOBUF, ORT_INVALID_GRAPH:
            throw .model("ONNX Runtime: \(message)")
        case ORT_NOT_IMPLEMENTED:
            throw .unsupported("ONNX Runtime: \(message)")
        case ORT_INVALID_ARGUMENT:
            throw .invalidArgument("ONNX Runtime: \(message)")
        default:
            if message.contains("bad_alloc") || message.contains("Failed to allocate memory") {
                throw .outOfMemory("ONNX Runtime: \(message)")
            }
            throw .model("ONNX Runtime: \(message)")
        }
    }

    /// What a message about a library that the CUDA provider opens only when it is needed means; `nil` for another one.
    static func missingLibrary(_ message: String) -> String? {
        for (library, package) in [("cuDNN", "cudnn"), ("cuFFT", "cufft")]
        where message.contains("\(library) is not available") {
            return "ONNX Runtime's CUDA provider needs \(library), which the loader does not find: "
                + "`pip install 'onnxruntime-gpu[cuda,cudnn]'` or the package nvidia-\(package) for its version of CUDA "
                + "brings it, and LD_LIBRARY_PATH must name its folder"
        }
        return nil
    }

    /// Frees a status without reading it.
    static func discard(_ api: UnsafePointer<OrtApi>, _ status: OrtStatusPtr?) {
        if let status { api.pointee.ReleaseStatus!(status) }
    }

    /// Replaces each run of white space, including line breaks, by one space.
    static func oneLine(_ text: String) -> String {
        text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
    }
}
