"""The detection container: whole photos in, faces out."""
