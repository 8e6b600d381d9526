/// What a backward run does with the gradients that the parameters hold.
public enum GradientUpdate: Sendable {
    /// Adds to them.
    case add
    /// Takes their place, whatever they hold, in less time than clearing them and adding take.
    case replace
}
