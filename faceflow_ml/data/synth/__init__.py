"""Fictional people rendered as whole photos with exact boxes, landmarks and identities."""
