"""Threads that run calls are used again, by one call at a time."""

import os
import threading

import pytest
from libdama import _worker


def run(work):
    done = threading.Event()
    _worker.start(work, done)
    assert done.wait(60)


def test_a_thread_is_used_again():
    found = []
    for _ in range(20):
        run(lambda: found.append(threading.current_thread()))
    assert len(set(found)) == 1
    assert found[0] is not threading.main_thread()


def test_calls_at_the_same_time_have_threads_of_their_own():
    barrier, found = threading.Barrier(3), []

    def work():
        barrier.wait(60)
        found.append(threading.current_thread())

    events = [threading.Event() for _ in range(3)]
    for done in events:
        _worker.start(work, done)
    assert all(done.wait(60) for done in events)
    assert len(set(found)) == 3


def test_a_call_is_not_kept():
    class Thing:
        pass

    ended = threading.Event()
    thing = Thing()
    thing.__class__.__del__ = lambda self: ended.set()
    run(lambda thing=thing: None)
    del thing
    assert ended.wait(60)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_child_process_starts_threads_of_its_own():
    run(lambda: None)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            run(lambda: None)
            status = 0
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
