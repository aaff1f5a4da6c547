"""Data: readers, datasets, samplers and synthetic people."""
