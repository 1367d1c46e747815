"""The guard screen: one page on the loopback that shows every lane and takes a signed-in guard's decisions."""
