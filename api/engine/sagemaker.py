"""The face engine on AWS: the detection and the embedding endpoint on SageMaker.

Alignment and quality are computed here from the photo, as the engine of one machine does, so that
both homes give the same faces.
"""

from __future__ import annotations

import io
import json
import re
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock
from typing import Any

import cv2
import numpy as np
from botocore.exceptions import BotoCoreError, ClientError
from numpy.typing import NDArray

from api.engine.circuit import CircuitBreaker, RetryPolicy, Unavailable, call
from api.engine.engine import FoundFaces, aligned
from faceflow_ml.clustering.batch import THRESHOLD
from faceflow_ml.clustering.confidence import ConfidenceModel
from faceflow_ml.inference import pretrained
from faceflow_ml.inference.quality import norm_factor, norm_range
from faceflow_ml.inference.types import CROP_SIZE, EMBEDDING_DIM, Detections

MAX_BYTES = 6 * 2**20 - 2**16
"""Of a request: SageMaker takes 6 MB, and the answer has to fit as well."""
BATCH = 64
"""Faces of a request."""
_JPEG_QUALITIES = (95, 90, 80, 70)
_NPY, _JSON = "application/x-npy", "application/json"
_CONTRACT = re.compile(r"(?:^|[;,\s])contract_id=([^;,\s]+)")
_NUMBER = re.compile(r"(?:^|[;,\s])([a-z_]+)=(-?\d+(?:\.\d+)?(?:e-?\d+)?)(?=$|[;,\s])")
_BUSY_CODES = {
    "InternalDependencyException",
    "InternalFailure",
    "ModelNotReadyException",
    "ServiceUnavailable",
    "ThrottlingException",
}
_BUSY_STATUS = {408, 429, 500, 502, 503, 504}


CONTRACT_SECONDS = 15.0
"""For how long an endpoint is taken to have the model that it had."""


class EndpointRefused(Exception):
    """The model cannot take what it was sent; asking again is no use."""


class ContractChanged(Exception):
    """The endpoint has another model now; what was begun with the old one has to begin again."""


@dataclass(frozen=True)
class _Answer:
    """attributes: what the container says besides; SageMaker passes on no other header."""

    body: bytes
    attributes: str


@dataclass(frozen=True, eq=False)
class _Embedded:
    """Vectors (n, 512) of the model ``contract``; norms: their lengths before, (n,), if told."""

    contract: str
    vectors: NDArray[np.float32]
    norms: NDArray[np.float32] | None


class SageMakerFaceEngine:
    """Faces by two endpoints.

    Args:
        client: boto3's client of the SageMaker runtime, without retries of its own.
        detection, embedding: names of the endpoints.
        policy: of retries, for each request.
        threads: requests at once of one call.
        sleep: waits between attempts.
    """

    def __init__(
        self,
        client: Any,
        *,
        detection: str,
        embedding: str,
        policy: RetryPolicy | None = None,
        breakers: Mapping[str, CircuitBreaker] | None = None,
        threads: int = 4,
        sleep: Callable[[float], None] | None = None,
    ) -> None:
        self._client = client
        self._detection = detection
        self._embedding = embedding
        self._policy = policy or RetryPolicy()
        self._breakers = breakers or {
            endpoint: CircuitBreaker() for endpoint in (detection, embedding)
        }
        self._sleep = {} if sleep is None else {"sleep": sleep}
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="endpoint")
        self._lock = Lock()
        self._contract: str | None = None
        self._told: dict[str, float] = {}
        self._asked = -CONTRACT_SECONDS

    @property
    def contract_id(self) -> str:
        """Of the model behind the embedding endpoint, asked now and then.

        Raises:
            Unavailable: it does not answer.
            ContractChanged: it has another model than before.
        """
        with self._lock:
            fresh = time.monotonic() - self._asked < CONTRACT_SECONDS
            known = self._contract if fresh else None
        if known is None:
            blank = np.zeros((1, CROP_SIZE, CROP_SIZE, 3), np.uint8)
            known = self._embed_batch(blank).contract
        return known

    @property
    def threshold(self) -> float:
        """The embedder's calibrated threshold, or the library's default."""
        return self._calibration().get("match_threshold", THRESHOLD)

    @property
    def confidence(self) -> ConfidenceModel | None:
        """The embedder's calibrated model of how sure groups are."""
        return ConfidenceModel.of_calibration(self._calibration())

    def detect(self, image: NDArray[np.uint8]) -> FoundFaces:
        """Find the faces of an (h, w, 3) RGB photo; those that cannot be aligned are left out.

        Raises:
            Unavailable: the endpoint does not answer, or is busy.
            EndpointRefused: it refuses the photo.
        """
        body, content_type = encode_photo(image)
        answer = self._invoke(self._detection, body, content_type, _JSON)
        return aligned(image, _detections(answer.body))

    def embed(self, crops: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Vectors (n, 512), and factors (n,) of quality from the lengths of the embeddings; all 1
        where the endpoint does not tell them.

        Raises:
            Unavailable: the endpoint does not answer, or is busy.
            EndpointRefused: it refuses the faces.
            ContractChanged: another model answered than before.
        """
        if not len(crops):
            return np.zeros((0, EMBEDDING_DIM), np.float32), np.ones(0, np.float32)
        batches = [crops[start : start + BATCH] for start in range(0, len(crops), BATCH)]
        answers = list(self._pool.map(self._embed_batch, batches))
        if len({answer.contract for answer in answers}) > 1:
            raise ContractChanged(f"endpoint {self._embedding} changed its model just now")
        vectors = np.concatenate([answer.vectors for answer in answers])
        norms = [answer.norms for answer in answers if answer.norms is not None]
        if len(norms) < len(answers):
            return vectors, np.ones(len(vectors), np.float32)
        return vectors, norm_factor(np.concatenate(norms), norm_range(self._calibration()))

    def _embed_batch(self, crops: NDArray[np.uint8]) -> _Embedded:
        buffer = io.BytesIO()
        np.save(buffer, crops)
        # As JSON, since an array would hold the vectors alone.
        answer = self._invoke(self._embedding, buffer.getvalue(), _NPY, _JSON)
        document = json.loads(answer.body)
        vectors = np.array(document["embeddings"], np.float32)
        if vectors.shape != (len(crops), EMBEDDING_DIM):
            raise EndpointRefused(
                f"endpoint {self._embedding}: expected vectors ({len(crops)}, {EMBEDDING_DIM}), "
                f"got {vectors.shape}"
            )
        norms = document.get("norms")  # containers of earlier versions tell none
        contract = _CONTRACT.search(answer.attributes)
        if contract is None:
            raise EndpointRefused(f"endpoint {self._embedding} does not say which model it has")
        with self._lock:
            known, self._contract = self._contract, contract[1]
            numbers = _NUMBER.findall(contract.string)
            self._told = {key: float(text) for key, text in numbers if key != "contract_id"}
            self._asked = time.monotonic()
        if known not in (None, contract[1]):
            raise ContractChanged(
                f"endpoint {self._embedding} has another model now: {contract[1]}"
            )
        lengths = None if norms is None else np.array(norms, np.float32)
        return _Embedded(contract[1], vectors, lengths)

    def _invoke(self, endpoint: str, body: bytes, content_type: str, accept: str) -> _Answer:
        def once() -> _Answer:
            try:
                answer = self._client.invoke_endpoint(
                    EndpointName=endpoint, Body=body, ContentType=content_type, Accept=accept
                )
                return _Answer(answer["Body"].read(), answer.get("CustomAttributes", ""))
            except ClientError as error:
                raise _meaning(endpoint, error) from error
            except BotoCoreError as error:
                raise Unavailable(f"endpoint {endpoint} cannot be reached: {error}") from error

        return call(once, self._breakers[endpoint], self._policy, **self._sleep)

    def _calibration(self) -> Mapping[str, float]:
        """Of the model behind the endpoint, as it says itself. Containers of earlier versions do
        not: known is then that of the model that this installation ships with, if it is that one;
        numbers that were measured for another do not hold."""
        contract_id = self.contract_id
        with self._lock:
            if self._told:
                return self._told
        weights = pretrained.resolve("embedder")
        return weights.calibration if weights.contract_id == contract_id else {}


def encode_photo(image: NDArray[np.uint8]) -> tuple[bytes, str]:
    """The photo as a request holds it, with its media type: its very pixels if there is room, else
    as a PNG, else as the best JPEG that fits.

    Raises:
        EndpointRefused: it does not fit at all.
    """
    if image.nbytes + 128 <= MAX_BYTES:
        buffer = io.BytesIO()
        np.save(buffer, np.ascontiguousarray(image))
        return buffer.getvalue(), _NPY
    bgr = np.ascontiguousarray(image[:, :, ::-1])
    # A photo of more than this many pixels makes no PNG that fits; trying takes seconds.
    if image.nbytes <= 4 * MAX_BYTES:
        data = cv2.imencode(".png", bgr)[1]
        if len(data) <= MAX_BYTES:
            return data.tobytes(), "image/png"
    for quality in _JPEG_QUALITIES:
        data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        if len(data) <= MAX_BYTES:
            return data.tobytes(), "image/jpeg"
    height, width = image.shape[:2]
    raise EndpointRefused(f"a photo of {width} x {height} pixels does not fit into a request")


def _detections(body: bytes) -> Detections:
    faces = json.loads(body)["faces"]
    return Detections(
        boxes=np.array([face["box"] for face in faces], np.float32).reshape(-1, 4),
        scores=np.array([face["score"] for face in faces], np.float32),
        landmarks=np.array([face["landmarks"] for face in faces], np.float32).reshape(-1, 5, 2),
    )


def _meaning(endpoint: str, error: ClientError) -> Exception:
    """Whether it is worth asking again: by the container's own status if it answered."""
    said = error.response["Error"]
    container = error.response.get("OriginalStatusCode")
    status = container or error.response["ResponseMetadata"]["HTTPStatusCode"]
    reason = error.response.get("OriginalMessage") or said.get("Message", "")
    text = f"endpoint {endpoint}: {status} {said['Code']}: {' '.join(str(reason).split())[:300]}"
    if status in _BUSY_STATUS or (container is None and said["Code"] in _BUSY_CODES):
        return Unavailable(text)
    return EndpointRefused(text)
