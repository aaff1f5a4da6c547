"""Shadow comparison: the new server answers what the old one answers, before it serves anyone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from faceflow_ml.data.synth.faces import aligned_faces
from faceflow_ml.data.synth.people import sample_person
from faceflow_ml.data.synth.scene import render_photo
from faceflow_ml.errors import FaceFlowError
from faceflow_ml.inference.pretrained import Kind
from pipelines.deployment.servers import Server

_SIZE = (480, 360)


@dataclass(frozen=True)
class Comparison:
    """What a new server answered to ``images`` images.

    failures: answers that are none, with the reason of the first. contract_ids: those it named.
    agreement: with the old server, in [0, 1], None without one. Of a detector: share of the photos
    with as many faces. Of an embedder: correlation of the similarities of all pairs, which does
    not depend on the space that the vectors are in.
    """

    images: int
    failures: int
    reason: str | None
    contract_ids: tuple[str, ...]
    agreement: float | None


def compare(kind: Kind, new: Server, old: Server | None, *, images: int) -> Comparison:
    """Ask both servers about the same fictional people."""
    requests = shadow_requests(kind, images)
    answers, reasons = _ask(kind, new, requests)
    contract_ids = sorted({str(answer.get("contract_id", "")) for answer in answers.values()})
    agreement = None
    if old is not None:
        before, _ = _ask(kind, old, requests)
        both = [i for i in answers if i in before]
        agreement = _agreement(kind, [answers[i] for i in both], [before[i] for i in both])
    return Comparison(
        len(requests),
        len(reasons),
        reasons[0] if reasons else None,
        tuple(contract_ids),
        agreement,
    )


def shadow_requests(kind: Kind, images: int) -> list[bytes]:
    """JPEG photos for a detector, aligned faces for an embedder; the same ones every time."""
    if kind == "embedder":
        faces = [crop for crop, _ in aligned_faces(max(2, images // 2), 2, seed=7)]
        return [_jpeg(face) for face in faces[:images]]
    rng = np.random.default_rng(7)
    cast = [sample_person(seed) for seed in range(8)]
    return [
        _jpeg(render_photo([cast[i % 8], cast[(i + 1) % 8]], rng, size=_SIZE).image)
        for i in range(images)
    ]


def _ask(
    kind: Kind, server: Server, requests: list[bytes]
) -> tuple[dict[int, dict[str, Any]], list[str]]:
    answers: dict[int, dict[str, Any]] = {}
    reasons: list[str] = []
    for position, body in enumerate(requests):
        try:
            answer = server.invoke(body, "image/jpeg")
            _check(kind, answer)
            answers[position] = answer
        except FaceFlowError as error:
            reasons.append(str(error))
    return answers, reasons


def _check(kind: Kind, answer: dict[str, Any]) -> None:
    """FaceFlowError if an answer is not what the contract says."""
    try:
        if kind == "detector":
            numbers = np.array([face["box"] + [face["score"]] for face in answer["faces"]], float)
        else:
            numbers = np.array(answer["embeddings"], float)
            if numbers.shape != (1, 512) or abs(np.linalg.norm(numbers) - 1.0) > 0.01:
                raise FaceFlowError(
                    f"expected one unit vector of 512 numbers, got shape {numbers.shape}"
                )
    except (KeyError, TypeError, ValueError) as error:
        raise FaceFlowError(f"unexpected answer: {error!r}") from error
    if not np.isfinite(numbers).all():
        raise FaceFlowError("an answer holds numbers that are not finite")


def _agreement(kind: Kind, new: list[dict[str, Any]], old: list[dict[str, Any]]) -> float | None:
    if kind == "detector":
        if not new:
            return None
        same = [len(a["faces"]) == len(b["faces"]) for a, b in zip(new, old, strict=True)]
        return sum(same) / len(same)
    if len(new) < 3:
        return None
    similarities = []
    for answers in (new, old):
        vectors = np.array([answer["embeddings"][0] for answer in answers])
        similarities.append((vectors @ vectors.T)[np.triu_indices(len(vectors), 1)])
    if min(part.std() for part in similarities) < 1e-9:
        return None
    return float(np.corrcoef(similarities)[0, 1].clip(0, 1))


def _jpeg(image: Any) -> bytes:
    done, data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    if not done:
        raise FaceFlowError("an image could not be encoded")
    return bytes(data.tobytes())
