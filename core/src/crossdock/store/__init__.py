"""The store: everything Crossdock remembers, in SQLite or PostgreSQL."""
