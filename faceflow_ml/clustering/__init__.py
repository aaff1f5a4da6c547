"""Grouping faces into people: in batch, incrementally, and with stable ids across re-runs."""
