"""The server end: collects journals of all stations and publishes signed documents."""
