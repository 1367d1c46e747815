"""The steps from one version of central's tables to the next, run by `gate-central database upgrade`."""
