import DamaSupport

extension Renderer {
    private static let plainTests: Set<String> = [
        "defined", "undefined", "none", "boolean", "true", "false", "integer", "float", "number", "string", "mapping",
        "sequence", "iterable", "callable", "even", "odd", "upper", "lower", "escaped",
    ]

    /// `value is name(arguments)`
    ///
    /// - Throws: ``DamaError/Code/unsupported`` for a test that is not known.
    mutating func test(_ name: String, _ value: Value, _ arguments: Arguments) throws(DamaError) -> Bool {
        let argument = arguments.positional.first
        func given() throws(DamaError) -> Value {
            guard let argument else { throw error("the test '\(name)' needs an argument") }
            return argument
        }
        guard argument == nil || !Self.plainTests.contains(name) else {
            throw error("the test '\(name)' takes no argument")
        }
        switch name {
        case "defined": return !value.isUndefined
        case "undefined": return value.isUndefined
        case "none": return value.isNone
        case "boolean": if case .bool = value { return true } else { return false }
        case "true": if case .bool(true) = value { return true } else { return false }
        case "false": if case .bool(false) = value { return true } else { return false }
        case "integer": if case .int = value { return true } else { return false }
        case "float": if case .float = value { return true } else { return false }
        case "number": return value.number != nil
        case "string": if case .string = value { return true } else { return false }
        case "mapping": if case .dict = value { return true } else { return false }
        case "sequence":
            switch value {
            case .string, .list, .tuple, .dict, .undefined: return true
            default: return false
            }
        case "iterable":
            switch value {
            case .string, .list, .tuple, .dict, .iteration, .loop, .undefined: return true
            default: return false
            }
        case "callable":
            switch value {
            case .function, .loop, .undefined: return true
            default: return false
            }
        case "even", "odd":
            guard let number = value.number else { throw error("the test \(name) needs a number") }
            let rest = value.integer.map { $0.isMultiple(of: 2) ? 0 : 1 } ?? abs(number.remainder(dividingBy: 2))
            return rest == (name == "even" ? 0 : 1)
        case "divisibleby":
            let divisor = try integer(try given(), "divisibleby")
            guard divisor != 0 else { throw error("division by zero") }
            return try integer(value, "divisibleby").isMultiple(of: divisor)
        case "upper":
            let text = try string(of: value)
            return text == text.uppercased && text.scalars.contains { $0.properties.isCased }
        case "lower":
            let text = try string(of: value)
            return text == text.lowercased && text.scalars.contains { $0.properties.isCased }
        case "sameas":
            let other = try given()
            return Self.areEqual(value, other) && value.typeName == other.typeName
        case "in": return try contains(try given(), value)
        case "eq", "equalto", "==": return Self.areEqual(value, try given())
        case "ne", "!=": return !Self.areEqual(value, try given())
        case "lt", "lessthan", "<": return try compare(.less, value, try given())
        case "le", "<=": return try compare(.lessOrEqual, value, try given())
        case "gt", "greaterthan", ">": return try compare(.greater, value, try given())
        case "ge", ">=": return try compare(.greaterOrEqual, value, try given())
        case "escaped": return false
        default: throw TemplateError.unsupported("the test '\(name)' is not known", line: line)
        }
    }
}
