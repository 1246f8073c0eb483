"""What Crossdock costs, measured against the limit of Python and against a plain script: ``python -m benchmarks``."""
