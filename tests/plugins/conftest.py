"""Puts what the tests of all connectors share (`connection_kit`) on their path."""
