"""What all tests of the binding share."""

import signal

# A shell starts what runs in its background with SIGINT ignored, and programs that are started from there inherit it:
# tests of Ctrl-C would wait for a KeyboardInterrupt that never comes.
signal.signal(signal.SIGINT, signal.default_int_handler)
