/// The benchmarks by name. A new one needs a line here.
package enum Benchmarks {
    package static let all: [any Benchmark.Type] = [
        Amber.self, ObjectHalBench.self, Chair.self, Pope.self, MMHal.self, LlavaBench.self, MMVet.self, Custom.self,
    ]

    package static var names: [String] { all.map { $0.name } }
}
