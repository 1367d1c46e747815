"""Twins of the devices: they obey the devices' rules and share one world, which lives in a process of its own."""
