"""The embedding container: aligned faces in, vectors out."""
