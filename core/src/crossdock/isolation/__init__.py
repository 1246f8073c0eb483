"""A connector in an interpreter of its own: the same hooks over a pipe."""
