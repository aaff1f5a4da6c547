"""Architectures by name: modules register builders, callers ask for a name."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, Literal, get_args

from torch import nn

Kind = Literal["detector", "refiner", "aligner", "embedder"]
Builder = Callable[..., nn.Module]

_BUILDERS: dict[Kind, dict[str, Builder]] = {kind: {} for kind in get_args(Kind)}
_MODULES = (
    "faceflow_ml.models.aligner",
    "faceflow_ml.models.iresnet",
    "faceflow_ml.models.mobilenetv3_fpn",
    "faceflow_ml.models.refiner",
)


def register_model(kind: Kind, name: str) -> Callable[[Builder], Builder]:
    """Return a decorator that makes a builder available as ``name``."""

    def decorate(builder: Builder) -> Builder:
        if name in _BUILDERS[kind]:
            raise ValueError(f"a {kind} called {name!r} is registered already")
        _BUILDERS[kind][name] = builder
        return builder

    return decorate


def list_models(kind: Kind) -> list[str]:
    """Return the registered names of ``kind``, sorted."""
    for module in _MODULES:
        import_module(module)
    return sorted(_BUILDERS[kind])


def create_model(kind: Kind, name: str, **options: Any) -> nn.Module:
    """Build a model with random weights.

    Raises:
        ValueError: the name is not registered; the message lists the names that are.
    """
    names = list_models(kind)
    if name not in names:
        raise ValueError(f"no {kind} is called {name!r}; there are: {', '.join(names)}")
    return _BUILDERS[kind][name](**options)
