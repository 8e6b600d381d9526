import DamaRuntime
import DamaSupport
import DamaTestSupport
import XCTest

@testable import DamaGraph

final class AdapterTests: XCTestCase {
    override class func setUp() { TestRuntime.configure() }

    /// Two linear layers, the second an output.
    private func graph() throws -> Graph {
        let g = GraphBuilder("layers")
        let x = try g.input("x", .float32, ["rows", 4])
        let hidden = try g.scope("layers.0") { () throws(DamaError) in
            let gate = try g.linear(x, g.weight("gate.weight", .float32, [6, 4]))
            return try g.swiglu(gate, g.linear(x, g.weight("up.weight", .float32, [6, 4])))
        }
        try g.output("y", g.linear(hidden, g.weight("down.weight", .float32, [3, 6])))
        _ = try g.weight("table.weight", .float32, [6])
        return g.graph
    }

    private let adapters = [
        Adapter(weight: "gate.weight", rank: 2, scale: 0.5), Adapter(weight: "down.weight", rank: 1, scale: 2),
    ]

    private func feeds() -> [String: Tensor] {
        var generator = RandomGenerator(seed: 8)
        var feeds: [String: Tensor] = [:]
        for (name, shape) in [
            ("x", [5, 4]), ("gate.weight", [6, 4]), ("up.weight", [6, 4]), ("down.weight", [3, 6]), ("y.seed", [5, 3]),
            ("gate.lora_A.weight", [2, 4]), ("gate.lora_B.weight", [6, 2]), ("down.lora_A.weight", [1, 6]),
            ("down.lora_B.weight", [3, 1]),
        ] { feeds[name] = Tensor(random: &generator, shape) }
        return feeds
    }

    /// [m, k] · [k, n]
    private func product(_ a: Tensor, _ b: Tensor, transposeA: Bool = false, transposeB: Bool = false) -> Tensor {
        let (m, k) = transposeA ? (a.shape[1], a.shape[0]) : (a.shape[0], a.shape[1])
        let n = transposeB ? b.shape[0] : b.shape[1]
        var result = Tensor([Double](repeating: 0, count: m * n), [m, n])
        for row in 0..<m {
            for column in 0..<n {
                result.values[row * n + column] = (0..<k).reduce(0) { sum, inner in
                    sum + a[transposeA ? [inner, row] : [row, inner]]
                        * b[transposeB ? [column, inner] : [inner, column]]
                }
            }
        }
        return result
    }

    /// The weights with their adapters added in: W + scale · B A.
    private func merged(_ feeds: [String: Tensor]) throws -> [String: Tensor] {
        var result = feeds
        for adapter in adapters {
            let change = product(try XCTUnwrap(feeds[adapter.nameB]), try XCTUnwrap(feeds[adapter.nameA]))
            for index in change.values.indices {
                result[adapter.weight]?.values[index] += Double(adapter.scale) * change.values[index]
            }
        }
        return result
    }

    func testTheSameAsMergedWeights() throws {
        let graph = try graph()
        let adapted = try graph.adding(adapters)
        XCTAssertEqual(adapted.outputs.map(adapted.name(of:)), ["y"])
        let feeds = feeds()
        let expected = try XCTUnwrap(Evaluator(graph: graph).run(merged(feeds))["y"])
        XCTAssertLessThan(try XCTUnwrap(Evaluator(graph: adapted).run(feeds)["y"]).distance(to: expected), 1e-12)
        // Single precision.
        XCTAssertLessThan(try XCTUnwrap(adapted.run(feeds)["y"]).distance(to: expected), 1e-5)
    }

    /// ∂A = scale · Bᵀ ∂W and ∂B = scale · ∂W Aᵀ with the gradient ∂W of the merged weight.
    func testGradients() throws {
        let (graph, feeds) = (try graph(), feeds())
        let full = try graph.differentiate(outputs: ["y"], trainable: adapters.map(\.weight))
        let mergedFeeds = try merged(feeds)
        let exact = try Evaluator(graph: full.backward).run(
            mergedFeeds.merging(Evaluator(graph: full.forward).run(mergedFeeds)) { $1 })
        let result = try graph.adding(adapters).differentiate(
            outputs: ["y"], trainable: adapters.flatMap { [$0.nameA, $0.nameB] })
        let values = feeds.merging(try result.forward.run(feeds)) { $1 }
        let gradients = try result.backward.run(values)
        for adapter in adapters {
            let weight = try XCTUnwrap(exact["\(adapter.weight).gradient"])
            var a = product(try XCTUnwrap(feeds[adapter.nameB]), weight, transposeA: true)
            var b = product(weight, try XCTUnwrap(feeds[adapter.nameA]), transposeB: true)
            a.values = a.values.map { Double(adapter.scale) * $0 }
            b.values = b.values.map { Double(adapter.scale) * $0 }
            XCTAssertLessThan(try XCTUnwrap(gradients["\(adapter.nameA).gradient"]).distance(to: a), 1e-5)
            XCTAssertLessThan(try XCTUnwrap(gradients["\(adapter.nameB).gradient"]).distance(to: b), 1e-5)
        }
    }

    /// x Wᵀ + scale · s · ((x ∘ m) Aᵀ) Bᵀ and its gradients, by definition.
    func testDropout() throws {
        let g = GraphBuilder("layer")
        try g.output("y", g.linear(g.input("x", .float32, ["rows", 4]), g.weight("up.weight", .float32, [6, 4])))
        let adapter = Adapter(weight: "up.weight", rank: 2, scale: 0.5, hasDropout: true)
        let graph = try g.graph.adding([adapter])
        var generator = RandomGenerator(seed: 9)
        var feeds: [String: Tensor] = [:]
        for (name, shape) in [
            ("x", [5, 4]), ("up.weight", [6, 4]), (adapter.nameA, [2, 4]), (adapter.nameB, [6, 2]), ("y.seed", [5, 6]),
        ] { feeds[name] = Tensor(random: &generator, shape) }
        let kept = (0..<20).map { Double($0 % 3 == 1 ? 0 : 1) }
        feeds[adapter.mask] = Tensor(kept, [5, 4], .uint8)
        feeds[Graph.dropoutScale] = Tensor([1.25], [])
        let (x, seed) = (try XCTUnwrap(feeds["x"]), try XCTUnwrap(feeds["y.seed"]))
        let (a, b) = (try XCTUnwrap(feeds[adapter.nameA]), try XCTUnwrap(feeds[adapter.nameB]))
        let weight = try XCTUnwrap(feeds["up.weight"])
        func sum(_ p: Tensor, _ factor: Double, _ q: Tensor) -> Tensor {
            Tensor(zip(p.values, q.values).map { $0 + factor * $1 }, p.shape)
        }
        func masked(_ x: Tensor) -> Tensor { Tensor(zip(x.values, kept).map { $0 * $1 }, x.shape) }
        func scaled(_ x: Tensor) -> Tensor { Tensor(x.values.map { 0.5 * 1.25 * $0 }, x.shape) }
        let low = product(masked(x), a, transposeB: true)
        let y = sum(product(x, weight, transposeB: true), 0.5 * 1.25, product(low, b, transposeB: true))
        XCTAssertLessThan(try XCTUnwrap(graph.run(feeds)["y"]).distance(to: y), 1e-5)

        let result = try graph.differentiate(outputs: ["y"], trainable: [adapter.nameA, adapter.nameB, "x"])
        let gradients = try result.backward.run(feeds.merging(try result.forward.run(feeds)) { $1 })
        let back = product(seed, b)
        for (name, expected) in [
            (adapter.nameA, scaled(product(back, masked(x), transposeA: true))),
            (adapter.nameB, scaled(product(seed, low, transposeA: true))),
            ("x", sum(product(seed, weight), 0.5 * 1.25, masked(product(back, a)))),
        ] {
            XCTAssertLessThan(try XCTUnwrap(gradients["\(name).gradient"]).distance(to: expected), 1e-5, name)
        }
        // The mask is an input; the backward half makes numbers of it again.
        XCTAssertFalse(result.activations.contains { $0.contains("cast") }, "\(result.activations)")
    }

    func testErrors() throws {
        let graph = try graph()
        func fails(_ text: String, _ adapter: Adapter, line: UInt = #line) {
            assertFails(.invalidArgument, text, line: line) { _ = try graph.adding([adapter]) }
        }
        fails("has no weight \"q.weight\" to adapt", Adapter(weight: "q.weight", rank: 1, scale: 1))
        fails("an adapter of rank 0 does not fit \"up.weight\" [6, 4]", Adapter(weight: "up.weight", rank: 0, scale: 1))
        fails("does not fit \"table.weight\" [6]", Adapter(weight: "table.weight", rank: 1, scale: 1))
        let g = GraphBuilder("table")
        let table = try g.weight("table.weight", .float32, [4, 2])
        try g.output("y", g.gather(table, g.input("ids", .int64, ["n"])))
        assertFails(.invalidArgument, "\"table.weight\" is not the matrix of a linear layer") {
            _ = try g.graph.adding([Adapter(weight: "table.weight", rank: 1, scale: 1)])
        }
    }
}
