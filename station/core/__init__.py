"""The pure core: values and `now` in, values and commands out. No I/O, no clock, no threads, no logging."""
