"""The devices of a station, one module each; the twins of all of them stand in drivers.twins."""
