import CDama
import Dama

/// The tokenizer of a caller's handle.
func tokenizer(_ handle: OpaquePointer?) throws -> Tokenizer {
    guard let handle else { throw DamaError.invalidArgument("tokenizer is NULL") }
    return Unmanaged<Tokenizer>.fromOpaque(UnsafeRawPointer(handle)).takeUnretainedValue()
}

@c @implementation
public func dama_tokenizer_create(
    _ out: UnsafeMutablePointer<OpaquePointer?>?, _ path: UnsafePointer<CChar>?
) -> dama_status {
    guarded {
        let out = try require(out, "out")
        let path = try string(path, "path")
        let tokenizer = Files.isDirectory(path) ? try Tokenizer(directory: path) : try Tokenizer(json: path)
        out.pointee = OpaquePointer(Unmanaged.passRetained(tokenizer).toOpaque())
    }
}

@c @implementation
public func dama_tokenizer_free(_ tokenizer: OpaquePointer?) {
    release(tokenizer, Tokenizer.self)
}

@c @implementation
public func dama_tokenizer_encode(
    _ handle: OpaquePointer?, _ text: UnsafePointer<CChar>?, _ textSize: Int, _ addSpecialTokens: Int32,
    _ ids: UnsafeMutablePointer<Int32>?, _ capacity: Int, _ count: UnsafeMutablePointer<Int>?
) -> dama_status {
    guarded {
        let tokenizer = try tokenizer(handle)
        let count = try require(count, "count")
        let text = UnsafeRawBufferPointer(try buffer(text, textSize, "text"))
        let ids = try buffer(ids, capacity, "ids")
        try Allocation.check(textSize, of: bytesPerTextByte, for: "the tokens of text")
        let encoded = try tokenizer.encode(bytes: text, addSpecialTokens: addSpecialTokens != 0)
        try write(encoded, to: ids, "ids", "ids")
        count.pointee = encoded.count
    }
}

@c @implementation
public func dama_tokenizer_decode(
    _ handle: OpaquePointer?, _ ids: UnsafePointer<Int32>?, _ count: Int, _ skipSpecialTokens: Int32,
    _ text: UnsafeMutablePointer<CChar>?, _ capacity: Int, _ size: UnsafeMutablePointer<Int>?
) -> dama_status {
    guarded {
        let tokenizer = try tokenizer(handle)
        let size = try require(size, "size")
        let ids = try buffer(ids, count, "ids")
        let text = try buffer(text, capacity, "text")
        // A token as a String, before and after a step of the decoder; 41 bytes were measured.
        try Allocation.check(count, of: 64, for: "the text of ids")
        let decoded = tokenizer.decode(ids, skipSpecialTokens: skipSpecialTokens != 0)
        try write(decoded, to: text, "text")
        size.pointee = decoded.utf8.count
    }
}

@c @implementation
public func dama_tokenizer_facts_init_sized(_ facts: UnsafeMutablePointer<dama_tokenizer_facts>?, _ size: Int) {
    initStruct(facts, size, dama_tokenizer_facts())
}

@c @implementation
public func dama_tokenizer_describe(
    _ handle: OpaquePointer?, _ facts: UnsafeMutablePointer<dama_tokenizer_facts>?
) -> dama_status {
    guarded {
        let tokenizer = try tokenizer(handle)
        let facts = try require(facts, "facts")
        var value = dama_tokenizer_facts()
        value.vocabulary_size = Int32(clamping: tokenizer.vocabularySize)
        value.id_end = Int32(clamping: tokenizer.idEnd)
        value.bos_id = tokenizer.specialTokens.bos ?? -1
        value.eos_id = tokenizer.specialTokens.eos ?? -1
        value.pad_id = tokenizer.specialTokens.pad ?? -1
        value.unk_id = tokenizer.specialTokens.unk ?? -1
        try writeStruct(value, to: facts, "facts")
    }
}

@c @implementation
public func dama_tokenizer_find(
    _ handle: OpaquePointer?, _ token: UnsafePointer<CChar>?, _ id: UnsafeMutablePointer<Int32>?
) -> dama_status {
    guarded {
        let tokenizer = try tokenizer(handle)
        let token = try string(token, "token")
        try require(id, "id").pointee = tokenizer.id(of: token) ?? -1
    }
}

@c @implementation
public func dama_tokenizer_spell(
    _ handle: OpaquePointer?, _ id: Int32, _ token: UnsafeMutablePointer<CChar>?, _ capacity: Int,
    _ size: UnsafeMutablePointer<Int>?
) -> dama_status {
    guarded {
        let tokenizer = try tokenizer(handle)
        let size = try require(size, "size")
        let buffer = try buffer(token, capacity, "token")
        guard let token = tokenizer.token(of: id) else {
            throw DamaError.invalidArgument(
                "id \(id) is not in the vocabulary; ids are in 0..<\(tokenizer.idEnd)")
        }
        try write(token, to: buffer, "token")
        size.pointee = token.utf8.count
    }
}
