"""HTTP: thin, typed routes over the domain."""
