"""Finding and describing faces."""
