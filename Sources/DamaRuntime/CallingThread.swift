import CDamaShims

/// The thread state that the runtime must not change for its caller.
enum CallingThread {
    /// Calls the runtime with the floating-point control of a new thread, and restores the caller's afterwards.
    ///
    /// The first session of a process sets whether denormal numbers are kept, permanently and in the thread that
    /// creates it. With the caller's own setting, the part of an operator that runs in this thread would also be
    /// computed differently from the parts in the pool.
    static func lend<Result>(_ body: () -> Result) -> Result {
        let control = cdama_float_control_get()
        cdama_float_control_set(cdama_float_control_default())
        defer { cdama_float_control_set(control) }
        return body()
    }
}
