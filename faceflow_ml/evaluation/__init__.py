"""Metrics as small pure functions: detection, verification, clustering."""
