import DamaSupport

/// The parts of an endpoint's address: the part that is requested, the part that can be shown, and the secrets.
///
/// A user name and password in the address (`http://user:password@host/…`) are sent as Basic authorization. They and
/// the values of the query are secrets: no name, message or file contains them.
struct EndpointAddress: Sendable {
    /// The address without user name and password.
    let request: String
    /// The address for names and messages: `request`, with `*` for each value of the query.
    let display: String
    /// The value of the `Authorization` header that the address implies.
    let authorization: String?
    /// Texts that no message may contain.
    let secrets: [String]

    /// - Throws: ``DamaError/Code/invalidArgument`` for an address that is not an http or https one. The message
    ///   contains none of its secrets.
    init(_ url: String) throws(DamaError) {
        let bytes = Array(url.utf8)
        guard let scheme = ["http://", "https://"].first(where: { url.hasPrefix($0) }),
            !bytes.contains(where: { $0 <= 0x20 || $0 == 0x7F })
        else {
            throw .invalidArgument(
                "\(JSON.string(Self.redacted(url)).text) is not an http:// or https:// address without spaces")
        }
        let rest = bytes.dropFirst(scheme.utf8.count)
        let authorityEnd = rest.firstIndex { "/?#".utf8.contains($0) } ?? rest.endIndex
        let authority = rest[..<authorityEnd]
        let at = authority.lastIndex(of: UInt8(ascii: "@"))
        let host = at.map { authority[($0 + 1)...] } ?? authority
        let fragment = rest.firstIndex(of: UInt8(ascii: "#")) ?? rest.endIndex
        let target = rest[authorityEnd..<max(authorityEnd, fragment)]
        guard !host.isEmpty else { throw .invalidArgument("the endpoint's address has no host") }
        // An unescaped slash in a password ends the authority, and the rest of the password would become part of the
        // path.
        let port = host.last == UInt8(ascii: "]") ? [] : host.split(separator: UInt8(ascii: ":")).dropFirst().last ?? []
        guard port.allSatisfy({ (0x30...0x39).contains($0) }) else {
            throw .invalidArgument(
                "\(JSON.string(Self.redacted(url)).text): the port is not a number; if the password contains one of "
                    + ":/?#@, write it as %3A, %2F, %3F, %23 or %40")
        }
        let question = target.firstIndex(of: UInt8(ascii: "?")) ?? target.endIndex
        let base = scheme + String(decoding: host, as: UTF8.self)
        request = base + String(decoding: target, as: UTF8.self)

        var secrets: [String] = []
        var query = ""
        if question < target.endIndex {
            let fields = target[(question + 1)...].split(separator: UInt8(ascii: "&"), omittingEmptySubsequences: false)
            query = "?"
            for (index, field) in fields.enumerated() {
                let equals = field.firstIndex(of: UInt8(ascii: "=")) ?? field.startIndex
                // A field without a name is a value.
                let value = equals == field.startIndex ? field : field[(equals + 1)...]
                secrets += Self.spellings(of: value)
                query += index > 0 ? "&" : ""
                query += equals == field.startIndex ? "*" : String(decoding: field[..<equals], as: UTF8.self) + "=*"
            }
        }
        display = base + String(decoding: target[..<question], as: UTF8.self) + query
        if let at {
            let user = Self.percentDecoded(authority[..<at])
            let encoded = Self.base64(user.contains(UInt8(ascii: ":")) ? user : user + [UInt8(ascii: ":")])
            authorization = "Basic \(encoded)"
            let colon = authority[..<at].firstIndex(of: UInt8(ascii: ":"))
            secrets += [encoded, String(decoding: authority[..<at], as: UTF8.self)]
            secrets += Self.spellings(of: authority[(colon.map { $0 + 1 } ?? authority.startIndex)..<at])
            guard !user.contains(where: { $0 < 0x20 || $0 == 0x7F }) else {
                throw .invalidArgument(
                    "the user name or password in the endpoint's address contains a control character")
            }
        } else {
            authorization = nil
        }
        self.secrets = secrets
    }

    /// `text` with each secret replaced by `***`, longest first.
    static func redact(_ text: String, _ secrets: [String]) -> String {
        var bytes = Array(text.utf8)
        let needles = Set(secrets.flatMap { [$0, String(JSON.string($0).text.dropFirst().dropLast())] })
        for needle in needles.sorted(by: { $0.utf8.count > $1.utf8.count }) where !needle.isEmpty {
            let needle = Array(needle.utf8)
            guard needle.count <= bytes.count else { continue }
            var result: [UInt8] = []
            var position = 0
            while position < bytes.count {
                if bytes[position] == needle[0], bytes[position...].starts(with: needle) {
                    result += "***".utf8
                    position += needle.count
                } else {
                    result.append(bytes[position])
                    position += 1
                }
            }
            bytes = result
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// A text meant as an address, without the part before its last `@` and after its `?`.
    static func redacted(_ url: String) -> String {
        var bytes = Array(url.utf8)
        if let at = bytes.lastIndex(of: UInt8(ascii: "@")) {
            let scheme = bytes.indices.first { bytes[$0...].starts(with: "://".utf8) }.map { $0 + 3 } ?? 0
            if scheme < at { bytes.replaceSubrange(scheme..<at, with: "***".utf8) }
        }
        if let question = bytes.firstIndex(of: UInt8(ascii: "?")) {
            bytes.replaceSubrange((question + 1)..., with: "*".utf8)
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The value as written and percent-decoded. Values of one to three bytes are not treated as secrets, because
    /// removing them would garble every message.
    private static func spellings(of value: ArraySlice<UInt8>) -> [String] {
        guard value.count > 3 else { return [] }
        return [String(decoding: value, as: UTF8.self), String(decoding: percentDecoded(value), as: UTF8.self)]
    }

    private static func percentDecoded(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
        var result: [UInt8] = []
        var rest = bytes
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%"), rest.count >= 2,
                let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16)
            {
                result.append(value)
                rest = rest.dropFirst(2)
            } else {
                result.append(byte)
            }
        }
        return result
    }

    /// RFC 4648, section 4.
    private static func base64(_ bytes: [UInt8]) -> String {
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
        var text: [UInt8] = []
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let group = bytes[start..<min(start + 3, bytes.count)]
            var bits: UInt32 = 0
            for (index, byte) in group.enumerated() { bits |= UInt32(byte) << UInt32(16 - 8 * index) }
            for index in 0..<4 {
                let digit = Int(bits >> UInt32(18 - 6 * index) & 63)
                text.append(index <= group.count ? alphabet[digit] : UInt8(ascii: "="))
            }
        }
        return String(decoding: text, as: UTF8.self)
    }
}
