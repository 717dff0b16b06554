"""What holds for every test."""

import signal

# A gate that is started in the background inherits an ignored SIGINT; the tests of interrupts need the usual one.
signal.signal(signal.SIGINT, signal.default_int_handler)
