import CDamaShims

/// What the runtime may not leave changed in its caller's thread.
enum CallingThread {
    /// Calls the runtime with the floating-point control that a thread starts with, and puts the caller's back.
    ///
    /// The first session of a process sets whether denormal numbers are kept, in the thread that makes it and for good.
    /// And with the caller's own setting a part of an operator that runs in this thread would be computed otherwise than
    /// the parts in the pool.
    static func lend<Result>(_ body: () -> Result) -> Result {
        let control = cdama_float_control_get()
        cdama_float_control_set(cdama_float_control_default())
        defer { cdama_float_control_set(control) }
        return body()
    }
}
