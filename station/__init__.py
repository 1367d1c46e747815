"""The gate station: reads passes, decides offline, opens the door, records every passage."""
