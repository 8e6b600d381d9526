/// How a backward run changes the parameters' gradients.
public enum GradientUpdate: Sendable {
    /// Adds to the existing gradients.
    case add
    /// Overwrites the existing gradients; faster than clearing and adding.
    case replace
}
