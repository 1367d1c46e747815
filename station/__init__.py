"""The gate station: reads passes, decides offline, opens the door, records every passage."""

__version__ = "0.1.0"
