import CDama
import Dama

/// A judge that calls the caller's function.
struct CallbackJudge: Judge {
    let name: String
    private let callback: dama_judge_callback
    /// The caller promises that it may be used on any thread as long as the judge.
    private nonisolated(unsafe) let user: UnsafeMutableRawPointer?
    private let slots: Slots

    init(
        _ name: String, _ callback: dama_judge_callback, _ user: UnsafeMutableRawPointer?, concurrency: Int
    ) throws(DamaError) {
        guard !name.isEmpty else {
            throw .invalidArgument("name is empty; it must identify what the judge's answers depend on")
        }
        self.name = "callback \(name)"
        self.callback = callback
        self.user = user
        slots = try Slots(concurrency: concurrency)
    }

    func answer(_ request: JudgeRequest, stop: StopSignal) throws(DamaError) -> JudgeAnswer {
        try slots.run(stop) { () throws(DamaError) in
            let reply = JudgeReply()
            let status = withRequest(request) { callback($0, reply.borrowed, user) }
            guard status == DAMA_OK else { throw .stopped(by: status) }
            guard let answer = reply.answer else {
                throw .invalidArgument("the judge's callback gave no answer; it must call dama_judge_reply_set()")
            }
            return answer
        }
    }

    private func withRequest(
        _ request: JudgeRequest, _ body: (UnsafePointer<dama_judge_request>) -> dama_status
    ) -> dama_status {
        let texts = Strings(request.messages.flatMap { [Self.withoutNUL($0.role), Self.withoutNUL($0.content)] })
        let messages = request.messages.indices.map { index in
            dama_judge_message(role: texts.at(2 * index), content: texts.at(2 * index + 1))
        }
        return withExtendedLifetime(texts) {
            messages.withUnsafeBufferPointer { messages in
                var told = dama_judge_request()
                told.struct_size = UInt32(MemoryLayout<dama_judge_request>.size)
                told.max_tokens = UInt32(clamping: request.maximumTokens)
                told.messages = messages.baseAddress
                told.message_count = messages.count
                told.temperature = request.temperature
                told.top_p = request.topP
                told.run = UInt32(clamping: request.run)
                told.attempt = UInt32(clamping: request.attempt)
                return withUnsafePointer(to: told, body)
            }
        }
    }

    /// A NUL would end the text in C.
    private static func withoutNUL(_ text: String) -> String {
        guard text.utf8.contains(0) else { return text }
        return String(String.UnicodeScalarView(text.unicodeScalars.map { $0.value == 0 ? "\u{FFFD}" : $0 }))
    }
}

/// What a `dama_judge_reply *` points to. Only the thread of the callback uses it.
final class JudgeReply {
    var answer: JudgeAnswer?

    /// A handle that is valid as long as the object.
    var borrowed: OpaquePointer { OpaquePointer(Unmanaged.passUnretained(self).toOpaque()) }

    static func from(_ handle: OpaquePointer?) throws -> JudgeReply {
        guard let handle else { throw DamaError.invalidArgument("reply is NULL") }
        return Unmanaged<JudgeReply>.fromOpaque(UnsafeRawPointer(handle)).takeUnretainedValue()
    }
}

@c @implementation
public func dama_judge_reply_set(
    _ reply: OpaquePointer?, _ text: UnsafePointer<CChar>?, _ model: UnsafePointer<CChar>?
) -> dama_status {
    guarded {
        let reply = try JudgeReply.from(reply)
        let text = try string(text, "text")
        reply.answer = JudgeAnswer(text: text, model: try model.map { try string($0, "model") })
    }
}
