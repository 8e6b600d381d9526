import DamaSupport

/// The factor of all gradients in fp16, so that small ones do not become 0 (Micikevicius et al., 2018).
///
/// A power of 2, so that it changes no digit. Gradients that are not finite halve it, and are computed again; 2,000 updates
/// in a row without such gradients double it, as in torch's `GradScaler`, which skips updates instead.
struct LossScale: Equatable, Sendable {
    private(set) var value = 65536.0
    private var updates = 0

    private static let growth = 2000
    private static let largest = 16_777_216.0

    init() {}

    mutating func adapt(isFinite: Bool) {
        guard isFinite else {
            (value, updates) = (max(1, value / 2), 0)
            return
        }
        updates += 1
        if updates >= Self.growth { (value, updates) = (min(Self.largest, value * 2), 0) }
    }

    // MARK: In a checkpoint

    var json: JSON { ["value": .double(value), "updates": .int(Int64(updates))] }

    /// `nil` for what ``json`` cannot have written.
    init?(_ json: JSON) {
        guard let value = json["value"]?.double, value >= 1, value <= Self.largest,
            value.significand == 1, let updates = json["updates"]?.int, (0..<Self.growth).contains(Int(updates))
        else { return nil }
        (self.value, self.updates) = (value, Int(updates))
    }
}
