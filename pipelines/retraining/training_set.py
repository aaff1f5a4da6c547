"""Corrections as a training set that ``faceflow-ml train embedder`` reads, and pairs to measure on.

``train.parquet`` and ``val.parquet`` have the columns of the other identity shards, identities
with the hardest pairs first, so that ``data.limit`` takes those. ``pairs.csv`` lists pairs of
faces by name, the hardest first, and ``pairs.parquet`` holds those faces. ``training_set.json``
says what was made of what.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from faceflow_ml.data.parquet import read_identity_shards
from faceflow_ml.data.splits import assign
from faceflow_ml.errors import FaceFlowError
from faceflow_ml.evaluation.verification import best_accuracy, roc_curve, tar_at_far
from faceflow_ml.files import atomic_folder, atomic_path, atomic_write_text
from faceflow_ml.inference.embedder import FaceEmbedder
from pipelines.retraining.exchange import Corrections, read_corrections
from pipelines.retraining.hard_pairs import Pair, embed_corrections, hard_pairs, threshold_of
from pipelines.retraining.signals import Signals, count_evidence, read_signals

SUMMARY = "training_set.json"
PAIRS, PAIR_FACES = "pairs.csv", "pairs.parquet"
SOURCE = "corrections"
_VAL_SHARE = 0.2


@dataclass(frozen=True)
class TrainingSet:
    """What was made of an export.

    Attributes:
        identities, faces: by split, "train" and "val".
        too_few: identities with fewer faces than were asked for; they are in no split.
        unknown: faces of whom nobody said enough.
        conflicts: contradictions; their faces are in no split.
        left_out: faces of users who do not consent, or were to be left out.
        hard_pairs: pairs on the wrong side of the embedder's threshold.
        decisions: ids of the decisions that it is from: what the next one counts new ones by.
    """

    export: str
    embedder: str
    identities: dict[str, int]
    faces: dict[str, int]
    too_few: int
    unknown: int
    evidence: dict[str, int]
    conflicts: dict[str, int]
    superseded: int
    left_out: int
    users: int
    pairs: int
    hard_pairs: int
    decisions: tuple[str, ...]


def build_training_set(
    export: Path,
    out: Path,
    embedder: FaceEmbedder,
    *,
    least_faces: int = 2,
    leave_out: Collection[str] = (),
    seed: int = 0,
) -> TrainingSet:
    """Read an export and write the training set into the folder ``out``.

    Args:
        export: see `exchange`.
        embedder: finds the hard pairs; vectors of other contracts are made anew from the crops.
        least_faces: an identity has at least so many, or is left out.
        leave_out: pseudonyms of users to pass over.
        seed: of the split of identities into train and val.

    Raises:
        FaceFlowError: the export is unreadable, or nothing can be learned from it.
        ConfigError: ``out`` holds something else.
    """
    corrections = read_corrections(export, leave_out)
    signals = read_signals(corrections)
    members = {who: rows for who, rows in signals.members().items() if len(rows) >= least_faces}
    if not members:
        raise FaceFlowError(
            f"{export}: nobody has {least_faces} faces that people vouch for: nothing to train on"
        )
    vectors = embed_corrections(corrections, embedder)
    pairs = hard_pairs(signals, vectors, threshold_of(embedder))
    shares = {"train": 1 - _VAL_SHARE, "val": _VAL_SHARE}
    split = {who: assign(who, shares, seed) for who in members}
    if "train" not in split.values():  # a handful of people, all of whom the hash put aside
        split = dict.fromkeys(members, "train")
    ordered = _hardest_first(members, signals, pairs)
    with atomic_folder(out, SUMMARY) as work:
        faces: dict[str, int] = {}
        for name in shares:
            rows = [row for who in ordered if split[who] == name for row in members[who]]
            faces[name] = len(rows)
            if rows:
                _write_shard(work / f"{name}.parquet", corrections, signals, rows)
        paired = sorted({row for pair in pairs for row in (pair.a, pair.b)})
        _write_shard(work / PAIR_FACES, corrections, signals, paired)
        _write_pairs(work / PAIRS, corrections, signals, pairs, split)
        made = _summary(corrections, signals, embedder, members, split, faces, pairs)
        atomic_write_text(work / SUMMARY, json.dumps(asdict(made), indent=2) + "\n")
    return made


def _hardest_first(
    members: dict[str, list[int]], signals: Signals, pairs: Sequence[Pair]
) -> list[str]:
    hardest: dict[str, float] = {}
    for pair in pairs:
        for row in (pair.a, pair.b):
            who = signals.identity[row]
            if who is not None:
                hardest.setdefault(who, pair.hardness)  # the list is sorted
    return sorted(members, key=lambda who: (-hardest.get(who, float("-inf")), who))


def name_of(corrections: Corrections, row: int) -> str:
    """What a face is called in shards and pairs."""
    face = corrections.faces[row]
    return f"{face.album}/{face.face}"


def _write_shard(
    file: Path, corrections: Corrections, signals: Signals, rows: Sequence[int]
) -> None:
    columns: dict[str, list[Any]] = {
        "image": [corrections.crop_bytes(row) for row in rows],
        "identity": [f"{SOURCE}/{signals.identity[row] or 'unknown'}" for row in rows],
        "source": [SOURCE] * len(rows),
        "name": [name_of(corrections, row) for row in rows],
        "det_score": [corrections.faces[row].score for row in rows],
        "eye_px": [corrections.faces[row].eye_px for row in rows],
        "contract": [corrections.faces[row].contract for row in rows],
        "evidence": [signals.evidence[row] for row in rows],
    }
    with atomic_path(file) as temporary:
        pq.write_table(pa.table(columns), temporary, compression="zstd")


def _write_pairs(
    file: Path,
    corrections: Corrections,
    signals: Signals,
    pairs: Sequence[Pair],
    split: dict[str, str],
) -> None:
    with atomic_path(file) as temporary, temporary.open("w", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["a", "b", "same", "cosine", "hardness", "why", "split"])
        for pair in pairs:
            sides = {split.get(signals.identity[row] or "", "none") for row in (pair.a, pair.b)}
            writer.writerow(
                [
                    name_of(corrections, pair.a),
                    name_of(corrections, pair.b),
                    int(pair.same),
                    f"{pair.cosine:.5f}",
                    f"{pair.hardness:.5f}",
                    pair.why,
                    # Only what training never sees measures it.
                    "train" if "train" in sides else "val",
                ]
            )


def _summary(
    corrections: Corrections,
    signals: Signals,
    embedder: FaceEmbedder,
    members: dict[str, list[int]],
    split: dict[str, str],
    faces: dict[str, int],
    pairs: Sequence[Pair],
) -> TrainingSet:
    evidence = count_evidence(signals)
    kinds = [conflict.kind for conflict in signals.conflicts]
    return TrainingSet(
        export=corrections.created_at,
        embedder=embedder.contract_id,
        identities={name: list(split.values()).count(name) for name in faces},
        faces=faces,
        too_few=len(signals.members()) - len(members),
        unknown=evidence.pop("unknown", 0),
        evidence=evidence,
        conflicts={kind: kinds.count(kind) for kind in sorted(set(kinds))},
        superseded=signals.superseded,
        left_out=corrections.left_out,
        users=len({face.user for face in corrections.faces}),
        pairs=len(pairs),
        hard_pairs=sum(pair.hardness > 0 for pair in pairs),
        decisions=tuple(sorted(signals.decisions)),
    )


@dataclass(frozen=True)
class PairMetrics:
    """How an embedder does on the pairs; fractions in [0, 1].

    accuracy: balanced, at the best threshold of these pairs: optimistic. at_threshold: at the
    embedder's own.
    """

    pairs: int
    same: int
    accuracy: float
    at_threshold: float
    auc: float
    tar_at_far_1e_2: float


def evaluate_pairs(
    training_set: Path, embedder: FaceEmbedder, split: str | None = None
) -> PairMetrics:
    """Verify the pairs of a training set with an embedder.

    Args:
        split: "val" for pairs that training never sees, None for all.

    Raises:
        FaceFlowError: there are no pairs of both kinds.
    """
    samples = {sample.name: sample for sample in read_identity_shards(training_set / PAIR_FACES)}
    try:
        with open(training_set / PAIRS, newline="") as stream:
            rows = [row for row in csv.DictReader(stream) if split in (None, row["split"])]
    except OSError as error:
        raise FaceFlowError(f"{training_set / PAIRS}: cannot be read: {error.strerror}") from error
    same = np.array([row["same"] == "1" for row in rows], bool)
    if not same.any() or same.all():
        raise FaceFlowError(f"{training_set}: no pairs both of one person and of two to measure on")
    names = sorted({row[side] for row in rows for side in ("a", "b")})
    place = {name: k for k, name in enumerate(names)}
    vectors = embedder.embed(np.stack([samples[name].decode() for name in names]))
    a, b = (vectors[[place[row[side]] for row in rows]] for side in ("a", "b"))
    scores = np.einsum("nd,nd->n", a, b)
    right = (scores >= threshold_of(embedder)) == same
    return PairMetrics(
        pairs=len(rows),
        same=int(same.sum()),
        accuracy=best_accuracy(scores, same),
        at_threshold=float((right[same].mean() + right[~same].mean()) / 2),
        auc=roc_curve(scores, same).auc,
        tar_at_far_1e_2=tar_at_far(scores, same, 1e-2),
    )
