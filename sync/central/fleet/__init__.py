"""A fleet of simulated stations in one process: the real protocol, the real uplink, no files and no threads."""
