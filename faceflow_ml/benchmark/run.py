"""The benchmark: speed, memory and quality in one document."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from faceflow_ml.benchmark.bars import Bar, bars
from faceflow_ml.benchmark.fairness import Fairness, measure_fairness
from faceflow_ml.benchmark.peer_run import PeerOptions, PeerResults, compare_with_peers
from faceflow_ml.benchmark.quality import Quality, measure_quality
from faceflow_ml.benchmark.stages import ModelTimes, StageTimes, time_models, time_stages
from faceflow_ml.benchmark.throughput import Throughput, measure_throughput
from faceflow_ml.data.synth.album import AlbumSpec, write_album
from faceflow_ml.evaluation.reports import Environment, ModelUsed, environment, now
from faceflow_ml.inference.pipeline import FacePipeline

# The album of `make demo`.
DEMO_ALBUM = AlbumSpec(people=12, photos=80, seed=7, duplicates=3, near_duplicates=5, broken=2)


@dataclass(frozen=True)
class Benchmark:
    """Everything that was measured, and the bars that it is held to."""

    created: str
    environment: Environment
    models: tuple[ModelUsed, ...]
    album: AlbumSpec
    model_times: ModelTimes
    stages: StageTimes
    throughput: Throughput
    quality: Quality
    peers: PeerResults | None
    fairness: Fairness | None
    bars: tuple[Bar, ...]


def run_benchmark(
    data: Path | None,
    *,
    detector: str | None = None,
    embedder: str | None = None,
    album: AlbumSpec = DEMO_ALBUM,
    peers: PeerOptions | None = None,
    fictional_people: int = 0,
    pictures: Path | None = None,
    say: Callable[[str], None] = lambda _line: None,
) -> Benchmark:
    """Measure this installation on this machine.

    Args:
        data: research photos, see `measure_quality`; None leaves their measures out.
        detector, embedder: as for ``from_pretrained``.
        album: the synthetic album to render; its longest side is that of its photos.
        peers: how to compare with peers; None leaves them out.
        fictional_people: on which failures are looked for; 0 leaves that out.
        pictures: folder for curves and examples of failures; None writes none.
        say: told what is measured now.

    Raises:
        FaceFlowError: the models are missing or altered, or data are malformed.
    """
    measured_on = environment()  # before the pictures, which may lie in the checkout, change it
    pipeline = FacePipeline.from_pretrained(detector=detector, embedder=embedder, threads=1)
    with tempfile.TemporaryDirectory(prefix="faceflow-bench-") as work:
        folder = Path(work) / "album"
        say("Rendering the synthetic album")
        truth = write_album(folder, album)
        say("Timing the models and each stage on one thread")
        model_times = time_models(pipeline)
        stages = time_stages(pipeline, [folder / photo.path for photo in truth.photos])
        say("Timing the group command")
        throughput = measure_throughput(folder, detector=detector, embedder=embedder)
        quality = measure_quality(
            folder, data, detector=detector, embedder=embedder, pictures=pictures, say=say
        )
        compared = None
        if peers is not None:
            compared = compare_with_peers(
                folder,
                data,
                quality.pairs,
                peers,
                detector=detector,
                embedder=embedder,
                say=say,
            )
        fairness = None
        if fictional_people:
            fairness = measure_fairness(
                pipeline,
                quality.detection_strata,
                quality.verification_strata,
                pictures=pictures,
                people=fictional_people,
                say=say,
            )
    return Benchmark(
        created=now(),
        environment=measured_on,
        models=(
            ModelUsed.of("detector", detector, pipeline.detector.contract_id),
            ModelUsed.of("embedder", embedder, pipeline.embedder.contract_id),
        ),
        album=album,
        model_times=model_times,
        stages=stages,
        throughput=throughput,
        quality=quality,
        peers=compared,
        fairness=fairness,
        bars=bars(model_times, throughput, quality, compared),
    )
