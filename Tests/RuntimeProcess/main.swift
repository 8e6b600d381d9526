import CDamaShims
import DamaImage
import DamaModels
import DamaSupport
import Glibc

// RuntimeProcess CLIP LLAVA IMAGE: opens and uses a scorer and a policy, in a thread that treats denormal numbers as
// zero. Prints a line for each step that changes this mode, and the names of environment variables that were added or
// removed; then "done".
let arguments = CommandLine.arguments
guard arguments.count == 4 else { exit(64) }

func variables() -> Set<String> {
    var names: Set<String> = []
    var entry = environ
    while let text = entry.pointee {
        names.insert(String(cString: text))
        entry += 1
    }
    return names
}

let control = cdama_float_control_default() | cdama_float_control_denormals_are_zero()

func step<Result>(_ name: String, _ body: () throws(DamaError) -> Result) throws(DamaError) -> Result {
    cdama_float_control_set(control)
    let before = variables()
    let result = try body()
    // Without the low bits, which are status flags.
    if (cdama_float_control_get() ^ control) & ~0x3f != 0 { print("\(name): the control of the thread is changed") }
    for name in variables().symmetricDifference(before) { print("\(name): added or gone") }
    return result
}

do throws(DamaError) {
    let encoder = try step("CLIP") { () throws(DamaError) in try DualEncoder(directory: arguments[1]) }
    _ = try step("texts") { () throws(DamaError) in try encoder.embed(texts: ["a red circle", "two squares"]) }
    let policy = try step("LLaVA") { () throws(DamaError) in try Policy(directory: arguments[2]) }
    let pair = PreferencePair(image: .path(arguments[3]), prompt: "What?", chosen: "A circle.", rejected: "A square.")
    _ = try step("scoring") { () throws(DamaError) in try policy.logProbabilities([pair]) }
    _ = try step("generation") { () throws(DamaError) in
        var options = GenerationOptions()
        options.maximumTokens = 3
        return try policy.generate([GenerationRequest(image: pair.image, prompt: pair.prompt)], options)
    }
    print("done")
} catch {
    print("\(error)")
    exit(1)
}
