"""Duplicate photos: exact by SHA-256, near by perceptual hash and structural similarity."""
