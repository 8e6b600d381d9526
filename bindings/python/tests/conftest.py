"""Shared by all tests of the binding."""

import signal

# A shell starts background programs with SIGINT ignored, and their child processes inherit this. Tests of Ctrl-C would
# then wait for a KeyboardInterrupt that never comes.
signal.signal(signal.SIGINT, signal.default_int_handler)
