"""Shapes of requests and responses that several routers share."""
