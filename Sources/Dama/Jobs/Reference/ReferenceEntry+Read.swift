import DamaModels
import DamaSupport

extension ReferenceEntry {
    /// Reads a line of either format, or a row of RLAIF-V data: `logps` is the JSON text of a list of six fields, or of
    /// an object that holds this list.
    ///
    /// - Throws: ``DamaError/Code/model`` naming what is missing or inconsistent, such as a sum that differs from that
    ///   of its tokens.
    package init(_ json: JSON) throws(DamaError) {
        let numbers: PairLogProbabilities
        if let logps = json["logps"] {
            numbers = try PairLogProbabilities(logps: logps)
        } else {
            numbers = PairLogProbabilities(
                chosen: try ResponseLogProbability(full: json["chosen"], "chosen"),
                rejected: try ResponseLogProbability(full: json["rejected"], "rejected"))
        }
        self.init(id: json["id"] ?? json["idx"] ?? .null, key: json["key"]?.string ?? "", logProbabilities: numbers)
    }
}

extension PairLogProbabilities {
    /// Reads six fields: sum, mean and tokens of the chosen response, then of the rejected response.
    fileprivate init(logps: JSON) throws(DamaError) {
        var fields = logps
        if let text = logps.string {
            do throws(DamaError) {
                fields = try JSON(parsing: text.utf8, numbers: .asWritten)
            } catch {
                throw .model("logps: \(error.message)")
            }
        }
        guard let list = (fields["logps"] ?? fields).array, list.count == 6 else {
            throw .model(
                "logps must hold six fields: sum, mean and tokens of the chosen, then of the rejected response")
        }
        self.init(
            chosen: try ResponseLogProbability(sum: list[0], mean: list[1], list: list[2], "chosen"),
            rejected: try ResponseLogProbability(sum: list[3], mean: list[4], list: list[5], "rejected"))
    }
}

extension ResponseLogProbability {
    /// Reads a response's sum, mean and list from `logps`.
    ///
    /// In RLAIF-V and in the data of the authors' trainer, the list has a number for every position of the
    /// image-expanded sequence, including prompt and image; only sum and mean are those of the response alone. So the
    /// response has round(sum / mean) tokens, and the list holds its tokens only if it has that many numbers.
    fileprivate init(sum: JSON, mean: JSON, list: JSON, _ name: String) throws(DamaError) {
        guard let total = sum.double, let average = mean.double else {
            throw .model(
                "logps: sum and mean of the \(name) response are \(sum.text) and \(mean.text), not two numbers")
        }
        guard let positions = list.array else { throw .model("logps: the \(name) tokens are not a list of numbers") }
        let count: Int
        if total == 0 && average == 0 {
            // Every token has probability 1, or there are no tokens.
            count = positions.count
        } else {
            guard let found = Int(exactly: (total / average).rounded()), found >= 1, found <= positions.count else {
                throw .model(
                    "logps: the \(name) sum \(sum.text) and mean \(mean.text) do not give a number of tokens from "
                        + "1 to \(positions.count), the length of the list")
            }
            count = found
        }
        guard count == positions.count else {
            self.init(sum: total, count: count)
            return
        }
        self.init(tokens: try Self.floats(positions, "logps: the \(name) list"))
        // Trainers use the sums; a sum that differs from that of its tokens means a damaged or mixed-up file.
        guard abs(total - self.sum) <= 0.05 + 1e-2 * abs(total) else {
            throw .model("logps: the \(name) sum is \(sum.text), but its tokens add up to \(self.sum)")
        }
    }

    /// Reads an object of the full format.
    fileprivate init(full json: JSON?, _ name: String) throws(DamaError) {
        guard let json else { throw .model("the log-probabilities of the \(name) response are missing") }
        guard let list = json["tokens"]?.array else { throw .model("\(name).tokens is not a list of numbers") }
        self.init(tokens: try Self.floats(list, "\(name).tokens"), wasCut: json["was_cut"]?.bool ?? false)
        // The job computes the sum from the tokens, so only the order of rounding can differ.
        if let total = json["sum"] {
            guard let value = total.double, abs(value - sum) <= 1e-9 * max(1, abs(sum)) else {
                throw .model("the \(name) sum is \(total.text), but its tokens add up to \(sum)")
            }
        }
        if let number = json["count"], number.int != count {
            throw .model("the \(name) count is \(number.text), but there are \(count) tokens")
        }
    }

    private static func floats(_ list: [JSON], _ name: String) throws(DamaError) -> [Float] {
        var numbers: [Float] = []
        numbers.reserveCapacity(list.count)
        for element in list {
            guard let number = element.double else {
                throw .model("\(name) holds \(element.text == "null" ? "a value that is not a number" : element.text)")
            }
            numbers.append(Float(number))
        }
        return numbers
    }
}
