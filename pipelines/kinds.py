"""The kinds of models. Apart, since configuration imports much more, and jobs start often."""

from __future__ import annotations

from faceflow_ml.inference.pretrained import Kind

KINDS: tuple[Kind, ...] = ("detector", "embedder")
"""In the order in which they are trained, registered and deployed."""
