"""HTTP towards external systems; the only place that imports httpx."""
