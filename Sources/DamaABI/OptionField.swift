import CDama
import Dama

/// The options of a job over a dataset. Its table of settings reads the simple fields by their names.
protocol JobOptionFields: SizedStruct {
    init()
    /// The simple fields by name; `null` for a missing value.
    func settings() throws -> [JSONObject.Member]
    /// Sets the fields that `values` names.
    mutating func set(_ values: JSONObject)
}

extension JobOptionFields {
    /// The fields with the values of `options`, as `_init()` sets them.
    init<Options>(_ table: SettingsTable<Options>, _ options: Options) {
        self.init()
        set(table.values(of: options))
    }

    /// Sets the options from the struct. `renamed` lists fields whose settings have other names, or none.
    func read<Options>(
        _ table: SettingsTable<Options>, into options: inout Options, renamed: [String: String?] = [:]
    ) throws {
        let members = try settings().compactMap { member -> JSONObject.Member? in
            guard let name = renamed[member.key] else { return member }
            return name.map { ($0, member.value) }
        }
        try table.read(into: &options, .object(JSONObject(members)), place: "options")
    }
}

/// Converts fields of a C struct to JSON values and back. base.h defines the values that stand for a missing value.
enum OptionField {
    static func text(_ pointer: UnsafePointer<CChar>?, _ name: String) throws -> JSON {
        pointer == nil ? .null : .string(try string(pointer, name))
    }

    static func texts(
        _ pointers: UnsafePointer<UnsafePointer<CChar>?>?, _ count: Int, _ name: String
    ) throws -> JSON {
        .array(try strings(pointers, count, name).map { .string($0) })
    }

    /// NaN is a missing value. An infinite number becomes text that the table of settings rejects.
    static func number(_ value: Double) -> JSON {
        if value.isNaN { return .null }
        return value.isFinite ? .double(value) : .number("\(value)")
    }

    static func number(_ value: UInt32) -> JSON { .int(Int64(value)) }
    /// A `size_t`, which may exceed the largest `Int`.
    static func number(_ value: Int) -> JSON {
        value < 0 ? .number(String(UInt(bitPattern: value))) : .int(Int64(value))
    }
    /// −1 is a missing value.
    static func number(_ value: Int64) -> JSON { value == -1 ? .null : .int(value) }
    /// 0 is a missing value.
    static func number(_ value: UInt64) -> JSON {
        guard value != 0 else { return .null }
        return Int64(exactly: value).map { .int($0) } ?? .number(String(value))
    }

    static func number(_ value: JSON?) -> UInt32 { UInt32(clamping: value?.int ?? 0) }
    static func number(_ value: JSON?) -> Int { value?.int ?? 0 }
    static func number(_ value: JSON?) -> Int64 { Int64(value?.int ?? -1) }
    static func number(_ value: JSON?) -> UInt64 { UInt64(clamping: value?.int ?? 0) }

    static func choice(_ value: UInt32, _ choices: [String: UInt32], _ name: String) throws -> JSON {
        guard let found = choices.first(where: { $0.value == value }) else {
            throw DamaError.invalidArgument("\(name) \(value) is unknown")
        }
        return .string(found.key)
    }

    static func choice(_ value: JSON?, _ choices: [String: UInt32]) -> UInt32 {
        value?.string.flatMap { choices[$0] } ?? 0
    }
}
