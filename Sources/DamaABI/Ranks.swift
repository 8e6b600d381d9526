import CDama
import Dama

@c @implementation
public func dama_ranks_init_sized(_ ranks: UnsafeMutablePointer<dama_ranks>?, _ size: Int) {
    initStruct(ranks, size, .defaults)
}

extension dama_ranks {
    fileprivate static var defaults: Self {
        var ranks = Self()
        ranks.count = 1
        return ranks
    }
}

extension RankGroup {
    /// The caller's ranks, a single one for NULL; errors call them `name`.
    convenience init(_ ranks: UnsafePointer<dama_ranks>?, _ name: String) throws {
        let given = try ranks.map { try readStruct($0, name, defaults: .defaults) } ?? .defaults
        guard let sum = given.sum else {
            guard given.count == 1, given.rank == 0 else {
                throw DamaError.invalidArgument("\(name).sum is NULL; \(given.count) ranks need it")
            }
            self.init()
            return
        }
        let user = given.user
        try self.init(rank: Int(given.rank), of: Int(given.count)) { numbers throws(DamaError) in
            let status =
                switch numbers {
                case .float64(let all): sum(all.baseAddress, all.count, DAMA_SUM_FLOAT64, -1, user)
                case .float32(let all): sum(all.baseAddress, all.count, DAMA_SUM_FLOAT32, -1, user)
                case .device(let start, let count, let ordinal):
                    sum(start, count, DAMA_SUM_FLOAT32, Int64(ordinal), user)
                }
            guard status == DAMA_OK else { throw .stopped(by: status) }
        }
    }
}
