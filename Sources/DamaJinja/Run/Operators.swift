import DamaSupport
import Glibc

extension Renderer {
    func unary(_ operation: UnaryOperator, _ value: Value) throws(DamaError) -> Value {
        switch (operation, value) {
        case (.not, _): return .bool(!value.isTrue)
        case (_, .undefined(let what)): throw error(what)
        case (.minus, .float(let number)): return .float(-number)
        case (.plus, .float): return value
        default:
            guard let number = value.integer else { throw error("a \(value.typeName) has no sign") }
            let (negative, overflow) = 0.subtractingReportingOverflow(number)
            if operation == .plus { return .int(number) }
            guard !overflow else { throw tooLarge }
            return .int(negative)
        }
    }

    private var tooLarge: DamaError { error("an integer does not fit 64 bits") }

    mutating func binary(_ operation: BinaryOperator, _ left: Value, _ right: Value) throws(DamaError) -> Value {
        if case .undefined(let what) = left { throw error(what) }
        if case .string(let format) = left, operation == .modulo { return .string(try formatted(format, right)) }
        if case .undefined(let what) = right { throw error(what) }
        switch (operation, left, right) {
        case (.add, .string(let a), .string(let b)):
            try check(characters: a.count + b.count)
            try step((a.count + b.count) / 64)
            return .string(a + b)
        case (.add, .list(let a), .list(let b)):
            try step(a.count + b.count)
            return .list(a + b)
        case (.add, .tuple(let a), .tuple(let b)): return .tuple(a + b)
        case (.multiply, .string, _) where right.integer != nil, (.multiply, .list, _) where right.integer != nil:
            return try repeated(left, right.integer ?? 0)
        case (.multiply, _, .string) where left.integer != nil, (.multiply, _, .list) where left.integer != nil:
            return try repeated(right, left.integer ?? 0)
        default: break
        }
        if let a = left.integer, let b = right.integer { return try integers(operation, a, b) }
        if let a = left.number, let b = right.number { return try floats(operation, a, b) }
        throw error("cannot compute \(left.typeName) \(operation.rawValue) \(right.typeName)")
    }

    private mutating func repeated(_ value: Value, _ count: Int) throws(DamaError) -> Value {
        let count = max(0, count)
        func size(_ length: Int) throws(DamaError) -> Int {
            let (total, overflow) = length.multipliedReportingOverflow(by: count)
            guard !overflow else { throw error("a repeated value is too large") }
            try check(characters: total)
            return total
        }
        switch value {
        case .string(let text):
            try step(try size(text.count) / 64)
            return .string(Text(Array(repeatElement(text.scalars, count: count).joined())))
        case .list(let elements):
            try step(try size(elements.count))
            return .list(Array(repeatElement(elements, count: count).joined()))
        default: throw error("a \(value.typeName) cannot be repeated")
        }
    }

    private func integers(_ operation: BinaryOperator, _ a: Int, _ b: Int) throws(DamaError) -> Value {
        let (result, overflow): (Int, Bool)
        switch operation {
        case .add: (result, overflow) = a.addingReportingOverflow(b)
        case .subtract: (result, overflow) = a.subtractingReportingOverflow(b)
        case .multiply: (result, overflow) = a.multipliedReportingOverflow(by: b)
        case .divide:
            guard b != 0 else { throw error("division by zero") }
            return .float(Double(a) / Double(b))
        case .floorDivide, .modulo:
            guard b != 0 else { throw error("division by zero") }
            guard !(a == .min && b == -1) else { throw tooLarge }
            var (quotient, remainder) = a.quotientAndRemainder(dividingBy: b)
            // Python rounds down.
            if remainder != 0, (remainder < 0) != (b < 0) {
                quotient -= 1
                remainder += b
            }
            return .int(operation == .modulo ? remainder : quotient)
        case .power:
            guard b >= 0 else { return .float(pow(Double(a), Double(b))) }
            var product = 1
            for _ in 0..<min(b, 64) {
                let (next, overflow) = product.multipliedReportingOverflow(by: a)
                guard !overflow else { throw tooLarge }
                product = next
            }
            guard b <= 64 || (-1...1).contains(a) else { throw tooLarge }
            if b > 64, a == -1 { product = b.isMultiple(of: 2) ? 1 : -1 }
            return .int(product)
        }
        guard !overflow else { throw tooLarge }
        return .int(result)
    }

    private func floats(_ operation: BinaryOperator, _ a: Double, _ b: Double) throws(DamaError) -> Value {
        switch operation {
        case .add: return .float(a + b)
        case .subtract: return .float(a - b)
        case .multiply: return .float(a * b)
        case .power: return .float(pow(a, b))
        case .divide, .floorDivide, .modulo:
            guard b != 0 else { throw error("division by zero") }
            if operation == .divide { return .float(a / b) }
            var remainder = fmod(a, b)
            if remainder != 0, (remainder < 0) != (b < 0) { remainder += b }
            if operation == .modulo { return .float(remainder) }
            return .float(((a - remainder) / b).rounded())
        }
    }

    // MARK: Comparison

    mutating func compare(_ operation: ComparisonOperator, _ left: Value, _ right: Value) throws(DamaError) -> Bool {
        if [.lessOrEqual, .greaterOrEqual].contains(operation) {
            for case .undefined(let what) in [left, right] { throw error(what) }
        }
        switch operation {
        case .equal: return Self.areEqual(left, right)
        case .notEqual: return !Self.areEqual(left, right)
        case .in: return try contains(right, left)
        case .notIn: return try !contains(right, left)
        case .less: return try isLess(left, right, operation)
        case .greater: return try isLess(right, left, operation)
        case .lessOrEqual: return Self.areEqual(left, right) ? true : try isLess(left, right, operation)
        case .greaterOrEqual: return Self.areEqual(left, right) ? true : try isLess(right, left, operation)
        }
    }

    static func areEqual(_ left: Value, _ right: Value) -> Bool {
        if let a = left.integer, let b = right.integer { return a == b }
        if let a = left.number, let b = right.number { return a == b }
        switch (left, right) {
        case (.undefined, .undefined), (.none, .none): return true
        case (.string(let a), .string(let b)): return a == b
        case (.list(let a), .list(let b)), (.tuple(let a), .tuple(let b)):
            return a.count == b.count && zip(a, b).allSatisfy { areEqual($0, $1) }
        case (.dict(let a), .dict(let b)):
            return a.count == b.count
                && a.items.allSatisfy { key, value in b[key].map { areEqual($0, value) } ?? false }
        case (.namespace(let a), .namespace(let b)): return a === b
        case (.function(let a), .function(let b)): return a === b
        case (.iteration(let a), .iteration(let b)): return a === b
        case (.loop(let a), .loop(let b)): return a === b
        default: return false
        }
    }

    func isLess(_ left: Value, _ right: Value, _ operation: ComparisonOperator = .less) throws(DamaError) -> Bool {
        for case .undefined(let what) in [left, right] { throw error(what) }
        if let a = left.integer, let b = right.integer { return a < b }
        if let a = left.number, let b = right.number { return a < b }
        switch (left, right) {
        case (.string(let a), .string(let b)): return a < b
        case (.list(let a), .list(let b)), (.tuple(let a), .tuple(let b)):
            for (x, y) in zip(a, b) where !Self.areEqual(x, y) { return try isLess(x, y, operation) }
            return a.count < b.count
        default:
            throw error("'\(operation.rawValue)' cannot compare \(left.typeName) and \(right.typeName)")
        }
    }

    /// Whether `container` holds `element`.
    mutating func contains(_ container: Value, _ element: Value) throws(DamaError) -> Bool {
        switch container {
        case .undefined: return false
        case .string(let text):
            try step(text.count / 16)
            if case .undefined(let what) = element { throw error(what) }
            guard case .string(let part) = element else {
                throw error("'in' looks for a string in a string, not for a \(element.typeName)")
            }
            return text.contains(part)
        case .list(let elements), .tuple(let elements):
            try step(elements.count)
            return elements.contains { Self.areEqual($0, element) }
        case .dict(let mapping):
            guard element.isHashable else { throw error("a \(element.typeName) cannot be a key") }
            return mapping[element] != nil
        case .iteration(let iteration):
            guard iteration.count == nil else { return iteration.elements().contains { Self.areEqual($0, element) } }
            while let next = iteration.next() {
                try step()
                if Self.areEqual(next, element) { return true }
            }
            return false
        default: throw error("'in' cannot look into a value of type \(container.typeName)")
        }
    }
}
