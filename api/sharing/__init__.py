"""Shares: who gets which photos, the archive, and the mail with the link."""
