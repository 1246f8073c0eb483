"""Telling people what needs them: seen in the store, told once, and told again when it is over."""
