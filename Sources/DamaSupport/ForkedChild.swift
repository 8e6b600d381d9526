import CDamaShims

/// A process that was forked from one in which the library is in use, without `exec`.
package enum ForkedChild {
    /// Lets such a child end by `exit()`, whose handlers would otherwise wait for threads that stayed in the parent. To be
    /// called once ONNX Runtime has started.
    package static func endAtExit() { cdama_fork_end_child_at_exit() }
}
