"""Containers of the models: one HTTP server with two handlers, training and processing jobs."""
