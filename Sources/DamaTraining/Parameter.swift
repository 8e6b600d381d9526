import DamaModels
import DamaRuntime
import DamaSupport

/// A trained weight: its value, its gradient and AdamW's moments, each in fp32.
public final class Parameter: Sendable {
    /// Its name in the model's files.
    public let name: String
    /// Its name in the graph.
    let graphName: String
    public let shape: [Int]
    /// Whether weight decay applies. As usual it does not apply to norms and biases.
    public let decays: Bool
    public let value: FloatMemory
    public let gradient: FloatMemory
    public let firstMoment: FloatMemory
    public let secondMoment: FloatMemory

    public var count: Int { value.count }

    init(name: String, graphName: String, shape: [Int]) throws(DamaError) {
        self.name = name
        self.graphName = graphName
        self.shape = shape
        // A vector is a bias or the scale of a norm.
        decays = shape.count > 1
        let count = shape.reduce(1, *)
        value = try FloatMemory(count: count)
        gradient = try FloatMemory(count: count)
        firstMoment = try FloatMemory(count: count)
        secondMoment = try FloatMemory(count: count)
    }

    /// Creates a parameter with the value of a weight of the files.
    ///
    /// - Throws: ``DamaError/Code/model`` if the weight is missing or has another shape.
    convenience init(
        _ name: String, graphName: String, shape: [Int], of store: WeightStore
    ) throws(DamaError) {
        try self.init(name: name, graphName: graphName, shape: shape)
        try store.tensor(name, expectedShape: shape).copyFloats(into: value.elements)
    }

    /// The value as a session's input. It shares the memory, so that the next run uses the updated value.
    func tensor(_ runtime: OnnxRuntime) throws(DamaError) -> TensorValue {
        try TensorValue(runtime, borrowing: value.bytes, type: .float32, shape: shape, owner: value)
    }

    /// The gradient as a session's output.
    func gradientTensor(_ runtime: OnnxRuntime) throws(DamaError) -> TensorValue {
        try TensorValue(runtime, borrowing: gradient.bytes, type: .float32, shape: shape, owner: gradient)
    }
}
