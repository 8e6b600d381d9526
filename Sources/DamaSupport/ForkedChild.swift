import CDamaShims

/// A process forked, without `exec`, from one in which the library is in use.
package enum ForkedChild {
    /// Lets such a child end by `exit()`, whose handlers would otherwise wait for threads that exist only in the
    /// parent. Must be called once ONNX Runtime has started.
    package static func endAtExit() { cdama_fork_end_child_at_exit() }
}
