/// An expression of a template.
indirect enum Expression: Sendable {
    case literal(Value)
    case name(String)
    case list([Expression])
    case tuple([Expression])
    case dict([(Expression, Expression)])
    case attribute(Expression, String)
    case item(Expression, Expression)
    case slice(Expression, start: Expression?, stop: Expression?, step: Expression?)
    case call(Expression, CallArguments)
    case filter(Expression, String, CallArguments)
    case test(Expression, String, CallArguments, isNegated: Bool)
    case unary(UnaryOperator, Expression)
    case binary(BinaryOperator, Expression, Expression)
    /// `a < b <= c`: each operator with the operand behind it.
    case comparison(Expression, [(ComparisonOperator, Expression)])
    case and(Expression, Expression)
    case or(Expression, Expression)
    case concatenation([Expression])
    case conditional(Expression, if: Expression, else: Expression?)
    /// What follows comes from this line, for messages.
    case at(line: Int, Expression)
}

enum UnaryOperator: Sendable { case not, minus, plus }

enum BinaryOperator: String, Sendable {
    case add = "+"
    case subtract = "-"
    case multiply = "*"
    case divide = "/"
    case floorDivide = "//"
    case modulo = "%"
    case power = "**"
}

enum ComparisonOperator: String, Sendable {
    case equal = "=="
    case notEqual = "!="
    case less = "<"
    case lessOrEqual = "<="
    case greater = ">"
    case greaterOrEqual = ">="
    case `in`
    case notIn = "not in"
}

struct CallArguments: Sendable {
    var positional: [Expression] = []
    var named: [(String, Expression)] = []
    /// `*args`
    var spread: Expression?
    /// `**kwargs`
    var namedSpread: Expression?
}

/// What a `for` or `set` assigns to.
indirect enum Target: Sendable {
    case name(String)
    /// `ns.x`
    case attribute(String, String)
    case tuple([Target])
}

/// A piece of a template.
indirect enum Statement: Sendable {
    case text(Text)
    case output(Expression, line: Int)
    case condition([(Expression, [Statement])], else: [Statement], line: Int)
    case loop(Loop)
    case set(Target, Expression, line: Int)
    /// `{% set x %}…{% endset %}`, with the filters that stand behind the name.
    case setBlock(Target, filters: [(String, CallArguments)], [Statement], line: Int)
    case with([(Target, Expression)], [Statement], line: Int)
    case macro(Macro)
    case callBlock(Macro, call: Expression, line: Int)
    case filterBlock([(String, CallArguments)], [Statement], line: Int)
    /// `{% generation %}`: the text is what the assistant says.
    case block([Statement])
    case breakLoop
    case continueLoop

    struct Loop: Sendable {
        var target: Target
        var items: Expression
        var condition: Expression?
        var isRecursive: Bool
        var body: [Statement]
        var otherwise: [Statement]
        var line: Int
    }

    struct Macro: Sendable {
        var name: String
        var parameters: [String]
        /// Of the last parameters.
        var defaults: [Expression]
        var body: [Statement]
        /// Those of `varargs`, `kwargs` and `caller` that its body names: without them it takes no more than its
        /// parameters.
        var extras: Set<String>
        var line: Int
    }
}
