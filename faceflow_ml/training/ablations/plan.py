"""Ablations of the detector's training: variants of one configuration, and where each is kept.

A file names a base configuration, seeds and variants; a variant is a few ``key=value`` overrides
of the base. Every variant and seed is a trial, kept in a folder that is named by all it depends
on: one that is finished is not trained again, and one whose configuration or data have changed is
another trial.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, StringConstraints, model_validator

from faceflow_ml.errors import ConfigError
from faceflow_ml.evaluation.data_used import file_used
from faceflow_ml.evaluation.reports import DataUsed
from faceflow_ml.training.config import DetectorConfig, Section, load_config

BASE = "base"
_Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]*$")]


class Variant(Section):
    """One change to the base."""

    asks: str = Field(min_length=1, description="the question, in a sentence or two")
    overrides: list[str] = Field(
        min_length=1, description="key=value words, as of `faceflow-ml train`"
    )


class AblationPlan(Section):
    """A file of ablations."""

    base: Path = Field(description="configuration of a detector, relative to this file")
    seeds: list[int] = Field(min_length=2, description="of the base; their spread is the measure")
    repeats: int = Field(1, ge=1, description="the first so many seeds are those of each variant")
    photos: int | None = Field(
        None, ge=1, description="measure on so many photos of data.val, drawn at random; else all"
    )
    variants: dict[_Name, Variant] = Field(min_length=1)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError("seeds differ from one another")
        if self.repeats > len(self.seeds):
            raise ValueError(f"repeats: there are {len(self.seeds)} seeds, got {self.repeats}")
        if BASE in self.variants:
            raise ValueError(f"variants: {BASE} is the name of the base")
        return self


@dataclass(frozen=True)
class Trial:
    """One training: a variant (or ``base``) with a seed.

    key: hash of the configuration and the training data.
    config: as it is trained; ``data.val`` is left out, so that no training sees it.
    """

    variant: str
    seed: int
    key: str
    config: DetectorConfig

    @property
    def name(self) -> str:
        """Variant and seed."""
        return f"{self.variant} (seed {self.seed})"

    @property
    def folder(self) -> Path:
        """Where it is trained and its result is kept."""
        return self.config.run.output


@dataclass(frozen=True)
class Trials:
    """All trials of a file, in the order in which they run.

    folder: holds theirs. val: what they are measured on. train: the base's training photos; None
    with fictional people alone.
    """

    folder: Path
    base: DetectorConfig
    trials: tuple[Trial, ...]
    train: DataUsed | None
    val: Path


def read_plan(file: Path) -> AblationPlan:
    """Read a file of ablations.

    Raises:
        ConfigError: it is missing, or something in it is unknown or out of range.
    """
    return load_config(AblationPlan, file, environment={})


def plan_trials(
    plan: AblationPlan, file: Path, words: Sequence[str] = (), data: Path | None = None
) -> Trials:
    """Work out every configuration, before anything is trained.

    The base comes first with all its seeds, whose spread is what differences are held to; then
    every variant with the first seed, then with the second, and so on.

    Args:
        plan: what ``file`` holds.
        file: where it was read from.
        words: ``key=value`` overrides of the base.
        data: folder of research photos, whose ``detection`` takes the place of the configured.

    Raises:
        ConfigError: an override is malformed or unknown, or there is nothing to measure on.
    """
    base_file = file.parent / plan.base
    used: dict[Path, DataUsed] = {}

    def trial(name: str, overrides: Sequence[str], seed: int) -> Trial:
        try:
            config = _configured(base_file, [*words, *overrides, f"run.seed={seed}"], data)
        except ConfigError as error:
            raise ConfigError(f"{file}: {name}: {error}") from error
        config = _without_val(config)
        source = config.data.train
        if source is not None and source not in used:
            used[source] = file_used(source)
        key = _key(config, None if source is None else used[source])
        folder = config.run.output / name / f"seed{seed}-{key[:12]}"
        config = config.model_copy(update={"run": config.run.model_copy(update={"output": folder})})
        return Trial(name, seed, key, config)

    base = _configured(base_file, words, data)
    if base.data.val is None:
        raise ConfigError(f"{base_file}: data.val: give the photos to measure on")
    trials = [trial(BASE, (), seed) for seed in plan.seeds]
    for seed in plan.seeds[: plan.repeats]:
        for name, variant in plan.variants.items():
            trials.append(trial(name, variant.overrides, seed))
    train = None if base.data.train is None else used[base.data.train]
    return Trials(base.run.output, base, tuple(trials), train, base.data.val)


def _configured(file: Path, words: Sequence[str], data: Path | None) -> DetectorConfig:
    config = load_config(DetectorConfig, file, words, environment={})
    if data is None:
        return config
    photos = data / "detection"
    places = {"train": photos, "val": photos / "val.parquet"}
    for place in places.values():
        if not place.exists():
            raise ConfigError(f"{place}: no such data")
    return config.model_copy(update={"data": config.data.model_copy(update=places)})


def _without_val(config: DetectorConfig) -> DetectorConfig:
    return config.model_copy(update={"data": config.data.model_copy(update={"val": None})})


def _key(config: DetectorConfig, train: DataUsed | None) -> str:
    """SHA-256 over what decides the weights; not over places, which the data's hash stands for."""
    places: Any = {
        "tracking": True,
        "run": {"output": True},
        "data": {"train": True, "cache": True},
    }
    parts = [
        config.model_dump(mode="json", exclude=places),
        None if train is None else train.fingerprint,
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
