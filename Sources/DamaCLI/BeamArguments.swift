import ArgumentParser
import Dama

/// The options of beam search.
struct BeamArguments: ParsableArguments {
    @Option(
        help: ArgumentHelp("The number of beams, for --temperature 0; 1 for no beam search.", valueName: "n"))
    var numBeams = 1
    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "A finished beam has the score log-probability / tokens^x: 0 for the sum, a larger x for longer texts.",
            valueName: "x"))
    var lengthPenalty = 1.0
    @Option(
        help: ArgumentHelp(
            "With as many finished beams as --num-beams, end the search at once (true), if the best running beam is no "
                + "better than the worst of them (false), or if it cannot become better (never)."))
    var earlyStopping: EarlyStopping = .no

    func fill(_ options: inout GenerationOptions) {
        options.beams = numBeams
        options.lengthPenalty = lengthPenalty
        options.earlyStopping = earlyStopping
    }
}

extension EarlyStopping: ExpressibleByArgument {}
