"""The network half of a gate station: journal to central, signed documents back, over two shared files."""
