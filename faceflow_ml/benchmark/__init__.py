"""How fast, how lean and how good this installation is, on this machine."""
