#ifndef CDAMA_FORK_H
#define CDAMA_FORK_H

/// Records that the library is in use from now on; children forked later count as forked.
void cdama_fork_note_use(void);

/// 1 in a process forked from one in which the library was in use, whose threads and locks do not exist in the child.
int cdama_fork_is_child(void);

/// Makes sure that a forked child can end. ONNX Runtime's destructors, which exit() runs, wait for threads that exist
/// only in the parent. This function registers a handler that runs before them and ends such a child: output is
/// flushed, and handlers registered before this call do not run. Must be called after the runtime has done so.
void cdama_fork_end_child_at_exit(void);

#endif
