"""Ablations of a training: variants of one configuration, trained, measured and compared."""
