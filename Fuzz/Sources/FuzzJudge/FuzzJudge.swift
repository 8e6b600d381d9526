@testable import DamaEvaluation
@testable import DamaSupport

/// What is read out of a judge's answer and out of an official script: any bytes give a value within its bounds, or none.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzJudge(_ data: UnsafePointer<UInt8>, _ size: Int) -> CInt {
    let bytes = Array(UnsafeBufferPointer(start: data, count: size))
    let text = String(decoding: bytes, as: UTF8.self)
    guard (0...6).contains(MMHalRating(text).official) else { fatalError("a rating out of bounds") }
    let review = LlavaBenchReview(text)
    guard review.reference.isFinite, review.model.isFinite else { fatalError("a score that is not finite") }
    if let grade = MMVetGrade.parse(text)?.grade, !(0...1).contains(grade) { fatalError("a grade out of bounds") }
    _ = try? PythonFormat.fill(text, ["a", "{}"])
    _ = try? PythonLiteral.string(in: bytes, at: size / 2)
    // A text in quotes is a literal unless an escape is wrong.
    let plain = text.unicodeScalars.filter { !"\\\"\r\n".unicodeScalars.contains($0) }
    let literal = "\"" + String(String.UnicodeScalarView(plain)) + "\""
    guard let value = try? PythonLiteral.string(in: Array(literal.utf8), at: 0),
        value.hasSameBytes(as: String(String.UnicodeScalarView(plain)))
    else { fatalError("not read: \(literal)") }
    return 0
}
