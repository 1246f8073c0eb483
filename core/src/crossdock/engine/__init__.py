"""The engine: the only place that decides what is read, kept, sent, asked again or left to a person."""
