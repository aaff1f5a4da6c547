"""Is there enough new to retrain on? If not, the week's run ends here, and says so.

New are decisions that the training set of the last run was not made of. ``gate.json`` is the
property file of the first step of a pipeline: a condition on ``train`` goes on, or stops.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path

from faceflow_ml.errors import FaceFlowError
from faceflow_ml.files import atomic_write_text
from pipelines.retraining.exchange import read_corrections
from pipelines.retraining.signals import read_signals
from pipelines.retraining.training_set import SUMMARY

DOCUMENT = "gate.json"


@dataclass(frozen=True)
class Gate:
    """The decision.

    train: go on? As 0 or 1, which a pipeline's condition compares with.
    corrections, new: decisions in the export, and those that the last run did not have.
    needed: new decisions to go on with. faces, identities: that can be trained on.
    reason: for people.
    """

    train: int
    corrections: int
    new: int
    needed: int
    faces: int
    identities: int
    reason: str


def check_gate(
    export: Path,
    *,
    needed: int,
    least_identities: int = 2,
    previous: Path | None = None,
    leave_out: Collection[str] = (),
) -> Gate:
    """Count what is new.

    Args:
        export: see `exchange`.
        needed: new decisions to go on with.
        least_identities: people with two faces or more to go on with.
        previous: folder or ``training_set.json`` of the last run's training set; None, or an
            empty folder: there was none, so that everything is new.
        leave_out: pseudonyms of users to pass over.

    Raises:
        FaceFlowError: the export or the last run's summary is unreadable.
    """
    corrections = read_corrections(export, leave_out)
    signals = read_signals(corrections)
    members = [rows for rows in signals.members().values() if len(rows) > 1]
    new = len(signals.decisions - _known(previous))
    faces = sum(map(len, members))
    if new < needed:
        reason = f"skipped: {new} new corrections, {needed} are needed"
    elif len(members) < least_identities:
        reason = (
            f"skipped: {len(members)} people have two faces or more that somebody vouches for, "
            f"{least_identities} are needed"
        )
    else:
        reason = f"{new} new corrections: {faces} faces of {len(members)} people to train on"
    go = new >= needed and len(members) >= least_identities
    return Gate(int(go), len(signals.decisions), new, needed, faces, len(members), reason)


def _known(previous: Path | None) -> frozenset[str]:
    if previous is None:
        return frozenset()
    if not previous.exists():
        raise FaceFlowError(f"{previous}: no such training set")
    file = previous / SUMMARY if previous.is_dir() else previous
    if not file.exists():  # the first run: the channel is there, and empty
        return frozenset()
    try:
        return frozenset(json.loads(file.read_text(encoding="utf-8"))["decisions"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FaceFlowError(f"{file}: no summary of a training set: {error}") from error


def write_gate(gate: Gate, out: Path) -> None:
    """Write ``gate.json`` into the folder ``out``."""
    atomic_write_text(out / DOCUMENT, json.dumps(asdict(gate), indent=2) + "\n")
