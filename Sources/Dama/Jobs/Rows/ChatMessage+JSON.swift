import DamaModels
import DamaSupport

extension ChatMessage {
    /// The messages of a JSON list, in the forms of rows (``Conversation``), that a response can follow.
    ///
    /// - Parameter name: the text's name in messages.
    /// - Throws: ``DamaError/Code/invalidArgument`` for other JSON, another role, and messages that end with an answer.
    package static func list(json text: String, name: String) throws(DamaError) -> [ChatMessage] {
        let json: JSON
        do throws(DamaError) {
            json = try JSON(parsing: text.utf8)
        } catch {
            throw .invalidArgument("\(name): \(error.message)")
        }
        do throws(Rejection) {
            let talk = try Conversation(json, standing: .user, field: name)
            try talk.checkIsPrompt(name)
            return talk.messages
        } catch {
            throw .invalidArgument(error.reason)
        }
    }
}
