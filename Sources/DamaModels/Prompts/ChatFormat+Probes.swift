import DamaJinja
import DamaSupport
import DamaText

// What a template reads and writes is found by running it with a short conversation.
extension ChatFormat {
    static let question = "Qx7k"
    static let answer = "Zx7k"

    private func userMessage(_ form: Form) -> Value {
        value(ChatMessage(.user, (imageToken == nil ? [] : [.image]) + [.text(Self.question)]), form)
    }

    /// The form in which the template writes a question, with its image. Processors take parts, tokenizers take text.
    func userForm() throws(DamaError) -> Form {
        let preferred: Form = imageToken == nil ? .text : .parts
        var failure: DamaError?
        for form in [preferred, preferred.other] {
            do throws(DamaError) {
                let text = try render([userMessage(form)], isPrompt: true)
                if isWritten(Self.question, in: text), imageToken.map({ count($0, in: text) == 1 }) ?? true {
                    return form
                }
            } catch {
                failure = failure ?? error
            }
        }
        throw failure
            ?? .invalidArgument(
                "\(template.title): the template writes no question"
                    + (imageToken.map { ", or not exactly one \($0) for an image" } ?? ""))
    }

    func writesAnswer(_ form: Form) -> Bool {
        let messages = [
            userMessage(forms.user), value(ChatMessage(.assistant, [.text(Self.answer)]), form),
        ]
        return (try? render(messages, isPrompt: false)).map { isWritten(Self.answer, in: $0) } ?? false
    }

    func writesSystem(_ form: Form) -> Bool {
        let messages = [value(ChatMessage(.system, [.text(Self.answer)]), form), userMessage(forms.user)]
        return (try? render(messages, isPrompt: true)).map { isWritten(Self.answer, in: $0) } ?? false
    }

    /// Whether the text contains a message, and not a list printed as Python does.
    private func isWritten(_ message: String, in text: String) -> Bool {
        count(message, in: text) > 0 && count("'text':", in: text) == 0
    }

    private func count(_ needle: String, in text: String) -> Int { Text(text).count(of: Text(needle)) }

    /// What follows a response. `ends` are the texts of the end tokens.
    func ending(_ tokenizer: Tokenizer, ends: [String]) -> Result<Ending, DamaError> {
        do throws(DamaError) {
            let end = tokens["eos_token"]
            let needsEnd = DamaError.invalidArgument(
                "the template \(template.title) needs the end token, but neither tokenizer nor configuration names one "
                    + "(eos_token in tokenizer_config.json)")
            if end == nil, count("eos_token", in: template.program) > 0 { throw needsEnd }
            let question = ChatMessage(.user, (imageToken == nil ? [] : [.image]) + [.text(Self.question)])
            let prompt = Text(try render([question], answer: nil))
            let whole = Text(try render([question], answer: Self.answer))
            guard whole.scalars.starts(with: prompt.scalars) else {
                throw .unsupported("\(template.title): \(Self.noPrefix)")
            }
            guard let start = whole.lastIndex(of: Text(Self.answer)) else {
                throw .unsupported("\(template.title): the template does not write the response")
            }
            var tail = Text(whole.scalars[(start + Self.answer.utf8.count)...])
            var result = Ending()
            // A template that writes the start of a response without being asked also writes it after the response.
            if start == prompt.scalars.count {
                let common = zip(prompt.scalars.reversed(), tail.scalars.reversed()).prefix { $0 == $1 }.count
                result.excess = try excess(Text(tail.scalars.suffix(common)), tokenizer).string
            }
            tail = Text(tail.scalars.dropLast(result.excess.unicodeScalars.count))
            let ids = try tokenizer.encode(tail.string, addSpecialTokens: false)
            let endIDs = Set(ends.compactMap { tokenizer.id(of: $0) })
            // A built-in template and a text with places say themselves where the end token is.
            if template.isFile, !ids.contains(where: { tokenizer.isSpecial($0) || endIDs.contains($0) }) {
                guard let end else { throw needsEnd }
                result.addition = end
            }
            return .success(result)
        } catch {
            return .failure(error)
        }
    }

    /// What follows the first special token of a text, unless it is white space.
    private func excess(_ text: Text, _ tokenizer: Tokenizer) throws(DamaError) -> Text {
        let ids = try tokenizer.encode(text.string, addSpecialTokens: false)
        guard let mark = ids.first(where: { tokenizer.isSpecial($0) }).flatMap(tokenizer.token(of:)),
            let place = text.firstIndex(of: Text(mark))
        else { return Text("") }
        let rest = Text(text.scalars[(place + mark.unicodeScalars.count)...])
        return rest.trimmed().isEmpty ? Text("") : rest
    }
}
