import Glibc

/// σ(x) = 1 / (1 + e^−x), without overflow at either end.
@inlinable
public func sigmoid(_ x: Double) -> Double {
    if x >= 0 { return 1 / (1 + exp(-x)) }
    let e = exp(x)
    return e / (1 + e)
}

/// log σ(x), exact even if σ(x) itself would round to 0 or 1.
@inlinable
public func logSigmoid(_ x: Double) -> Double { min(x, 0) - log1p(exp(-abs(x))) }
