"""Where bytes are kept: the object store's protocol, its homes, and signed URLs."""
