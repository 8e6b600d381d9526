import DamaSupport

/// A day and time of day, as a template's `strftime_now` writes it. Rendering depends on nothing but what it is given.
package struct CalendarDate: Equatable, Sendable {
    package var year: Int
    /// 1 to 12.
    package var month: Int
    /// 1 to 31.
    package var day: Int
    package var hour = 0
    package var minute = 0
    package var second = 0

    package init(year: Int, month: Int, day: Int, hour: Int = 0, minute: Int = 0, second: Int = 0) {
        (self.year, self.month, self.day) = (year, month, day)
        (self.hour, self.minute, self.second) = (hour, minute, second)
    }

    /// A day written as `2024-07-26`; `nil` for anything else, such as a 30th of February.
    package init?(_ text: String) {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 3, parts[0].utf8.count == 4, parts[1].utf8.count == 2, parts[2].utf8.count == 2,
            parts.joined().utf8.allSatisfy({ (0x30...0x39).contains($0) }),
            let year = Int(parts[0]), let month = Int(parts[1]), let day = Int(parts[2]), year >= 1,
            (1...12).contains(month), (1...Self.lengths(year: year)[month - 1]).contains(day)
        else { return nil }
        self.init(year: year, month: month, day: day)
    }

    /// The day as `2024-07-26`.
    package var description: String { (try? text("%F")) ?? "" }

    private static func lengths(year: Int) -> [Int] {
        let isLeap = year.isMultiple(of: 4) && (!year.isMultiple(of: 100) || year.isMultiple(of: 400))
        return [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    }

    private static let months = [
        "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
        "December",
    ]
    private static let days = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]

    /// 0 for Monday, by Zeller's congruence.
    private var weekday: Int {
        let (m, y) = month < 3 ? (month + 12, year - 1) : (month, year)
        let h = (day + 13 * (m + 1) / 5 + y + y / 4 - y / 100 + y / 400) % 7
        return (h + 5) % 7
    }

    private var dayOfYear: Int {
        Self.lengths(year: year).prefix(max(0, month - 1)).reduce(day, +)
    }

    /// The date in a format of C's `strftime`, in the C locale.
    ///
    /// - Throws: ``DamaError/Code/unsupported`` for a directive that is not known.
    func text(_ format: String) throws(DamaError) -> String {
        func pad(_ value: Int, _ width: Int) -> String {
            let text = String(value)
            return String(repeating: "0", count: max(0, width - text.utf8.count)) + text
        }
        let monthName = Self.months[min(max(month, 1), 12) - 1]
        var result = ""
        var rest = format.unicodeScalars[...]
        while let scalar = rest.popFirst() {
            guard scalar == "%", var directive = rest.popFirst() else {
                result.unicodeScalars.append(scalar)
                continue
            }
            // "%-d" is a number without its leading zero.
            var isPadded = true
            if directive == "-", let next = rest.popFirst() { (directive, isPadded) = (next, false) }
            func number(_ value: Int) -> String { isPadded ? pad(value, 2) : String(value) }
            switch directive {
            case "Y": result += pad(year, 4)
            case "y": result += number(year % 100)
            case "m": result += number(month)
            case "d": result += number(day)
            case "e": result += day < 10 && isPadded ? " \(day)" : "\(day)"
            case "B": result += monthName
            case "b", "h": result += monthName.prefix(3)
            case "A": result += Self.days[weekday]
            case "a": result += Self.days[weekday].prefix(3)
            case "H": result += number(hour)
            case "I": result += number((hour + 11) % 12 + 1)
            case "M": result += number(minute)
            case "S": result += number(second)
            case "p": result += hour < 12 ? "AM" : "PM"
            case "j": result += isPadded ? pad(dayOfYear, 3) : String(dayOfYear)
            case "u": result += "\(weekday + 1)"
            case "w": result += "\((weekday + 1) % 7)"
            case "F": result += "\(pad(year, 4))-\(pad(month, 2))-\(pad(day, 2))"
            case "T": result += "\(pad(hour, 2)):\(pad(minute, 2)):\(pad(second, 2))"
            case "R": result += "\(pad(hour, 2)):\(pad(minute, 2))"
            case "D": result += "\(pad(month, 2))/\(pad(day, 2))/\(pad(year % 100, 2))"
            case "n": result += "\n"
            case "t": result += "\t"
            case "%": result += "%"
            default: throw .unsupported("strftime_now: the directive %\(directive) is not supported")
            }
        }
        return result
    }
}
