import DamaSupport

// Filters that apply a filter or a test to each element.
extension Renderer {
    mutating func mapped(_ value: Value, _ arguments: Arguments) throws(DamaError) -> [Value] {
        var result: [Value] = []
        for item in try elements(of: value) {
            try step()
            if let attribute = arguments["attribute"] {
                let found = try path(attribute, of: item)
                result.append(found.isUndefined ? arguments["default"] ?? found : found)
                continue
            }
            var rest = arguments
            guard !rest.positional.isEmpty else { throw error("map needs a filter or an attribute") }
            let name = try text(rest.positional.removeFirst(), "map").string
            result.append(try filter(name, item, rest))
        }
        return result
    }

    mutating func chosen(
        _ value: Value, _ arguments: Arguments, keeps: Bool, byAttribute: Bool
    ) throws(DamaError) -> [Value] {
        var result: [Value] = []
        for item in try elements(of: value) {
            try step()
            var rest = arguments
            var tested = item
            if byAttribute {
                guard !rest.positional.isEmpty else { throw error("selectattr needs an attribute") }
                tested = try path(rest.positional.removeFirst(), of: item)
            }
            let isChosen: Bool
            if rest.positional.isEmpty {
                isChosen = tested.isTrue
            } else {
                let name = try text(rest.positional.removeFirst(), "select").string
                isChosen = try test(name, tested, rest)
            }
            if isChosen == keeps { result.append(item) }
        }
        return result
    }
}
