#ifndef CDAMA_FORK_H
#define CDAMA_FORK_H

/// Notes that the library is in use from now on, so that a child forked from here on counts as forked.
void cdama_fork_note_use(void);

/// 1 in a process that was forked from one in which the library was in use: its threads and locks stayed behind.
int cdama_fork_is_child(void);

/// Sees to it that a forked child can end. ONNX Runtime's destructors, which exit() runs, wait for threads that stayed in
/// the parent. A handler that is registered here, and so runs before them, ends such a child: output is flushed, handlers
/// from before this call are left out. To be called once the runtime has registered its own.
void cdama_fork_end_child_at_exit(void);

#endif
