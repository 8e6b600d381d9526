// Renders chat templates for a test that compares with jinja2: each line of standard input is a JSON object with
// `template`, `variables` and perhaps `date` (six numbers); each line of the answer has `text`, or `error` and `code`.
import DamaJinja
import DamaSupport
import Glibc

while let line = readLine() {
    let answer: JSON
    do throws(DamaError) {
        let json = try JSON(parsing: Array(line.utf8))
        let template = try JinjaTemplate(json["template"]?.string ?? "")
        let variables = (json["variables"]?.object?.members ?? []).map { ($0.key, Value($0.value)) }
        let numbers = (json["date"]?.array ?? []).compactMap(\.int)
        let date = numbers.count == 6
            ? CalendarDate(
                year: numbers[0], month: numbers[1], day: numbers[2], hour: numbers[3], minute: numbers[4],
                second: numbers[5]) : nil
        answer = ["text": .string(try template.render(variables, date: date))]
    } catch {
        answer = ["error": .string(error.message), "code": .string("\(error.code)")]
    }
    print(answer.text)
    fflush(nil)
}
