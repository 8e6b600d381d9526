import DamaGraph
import DamaRuntime
import DamaSupport
import Synchronization

/// What GroupQueryAttention makes of its attribute `local_window_size`.
///
/// ONNX Runtime before 1.24 attends to one token more than later versions, and documents neither. So the kernel is
/// asked once in a process.
enum KernelWindow {
    private static let known = Mutex<[Device: Int]>([:])

    /// The attribute by which a token attends to `size` tokens, itself included.
    ///
    /// - Throws: ``DamaError/Code/unsupported`` if the kernel has no such attribute.
    static func attribute(_ size: Int, _ runtime: OnnxRuntime, _ device: Device) throws(DamaError) -> Int {
        // A process has one runtime.
        var excess = known.withLock { $0[device] }
        if excess == nil {
            let seen = try seen(window: 2, runtime, device)
            guard seen == 2 || seen == 3 else { throw unsupported(runtime, "2 tokens") }
            known.withLock { $0[device] = seen - 2 }
            excess = seen - 2
        }
        let attribute = size - (excess ?? 0)
        // 0 switches the window off.
        guard attribute > 0 else { throw unsupported(runtime, "\(size) token") }
        return attribute
    }

    private static func unsupported(_ runtime: OnnxRuntime, _ window: String) -> DamaError {
        .unsupported(
            "ONNX Runtime \(runtime.version) does not generate text within an attention window of \(window); use "
                + "another version")
    }

    /// The number of the last tokens that the last of four tokens attends to.
    private static func seen(window: Int, _ runtime: OnnxRuntime, _ device: Device) throws(DamaError) -> Int {
        let (tokens, size) = (4, 8)
        let g = GraphBuilder("attention-window")
        let row = try ["query", "key", "value"].map { name throws(DamaError) in
            try g.input(name, .float32, [1, .fixed(tokens), .fixed(size)])
        }
        let cache: Shape = [1, 1, .fixed(tokens), .fixed(size)]
        let past = try ["past_key", "past_value"].map { name throws(DamaError) in try g.input(name, .float32, cache) }
        let last = try g.input("last", .int32, [1])
        let total = try g.input("total", .int32, [])
        let outputs = g.node(
            "GroupQueryAttention", domain: "com.microsoft", row + past + [last, total],
            outputs: [(.float32, row[0].shape), (.float32, cache), (.float32, cache)],
            attributes: [("num_heads", .int(1)), ("kv_num_heads", .int(1)), ("local_window_size", .int(window))])
        for (name, output) in zip(["mixed", "key_cache", "value_cache"], outputs) { try g.output(name, output) }
        var options = SessionOptions()
        options.device = device
        let session = try Session(runtime, model: g.graph.onnx(), name: g.graph.name, options: options)

        let zeros = [Float](repeating: 0, count: tokens * size)
        // Equal scores, and token t has its value in channel t: each attended token has an equal share in its channel.
        var values = zeros
        for token in 0..<tokens { values[token * size + token] = 1 }
        var inputs: [String: TensorValue] = [:]
        for (name, numbers) in [("query", zeros), ("key", zeros), ("value", values)] {
            inputs[name] = try TensorValue(runtime, numbers, shape: [1, tokens, size])
        }
        for name in ["past_key", "past_value"] {
            inputs[name] = try TensorValue(runtime, zeros, shape: [1, 1, tokens, size])
        }
        inputs["last"] = try TensorValue(runtime, [Int32(tokens - 1)], shape: [1])
        inputs["total"] = try TensorValue(runtime, [Int32(tokens)], shape: [])
        let mixed: [Float] = try session.run(inputs, outputs: ["mixed"])[0].array()
        return mixed.suffix(size).prefix(tokens).count { $0 > 0.1 }
    }
}
