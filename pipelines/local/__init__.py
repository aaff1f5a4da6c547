"""Executes a compiled pipeline definition on this machine, with processes for containers.

See docs/decisions/0020-an-interpreter-for-the-definition.md.
"""
