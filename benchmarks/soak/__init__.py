"""The soak: everything at once for a long time, while vendors misbehave and workers die; see `__main__`."""
