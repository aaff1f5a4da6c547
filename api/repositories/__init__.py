"""Where records are kept: the table's protocol, its homes, and typed records over it."""
