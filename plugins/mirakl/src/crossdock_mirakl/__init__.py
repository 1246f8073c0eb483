"""The Mirakl connector for Crossdock."""

__version__ = "0.1.0"
