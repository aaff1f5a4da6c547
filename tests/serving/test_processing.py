"""The Processing job as SageMaker starts it: a process in the container's layout."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from faceflow_ml import FaceDetector, FaceEmbedder, FacePipeline, load_image
from faceflow_ml.files import PART_PREFIX
from serving.processing.share import share
from serving.sagemaker import Host
from tests.cli.conftest import red_photo
from tests.serving.server import PATIENCE, ROOT

PHOTOS = 30


@pytest.fixture(scope="session")
def album(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos in folders, one copy and three files that are none."""
    folder = tmp_path_factory.mktemp("album")
    (folder / "day 1").mkdir()
    for seed in range(PHOTOS):
        bgr = cv2.cvtColor(red_photo(seed), cv2.COLOR_RGB2BGR)
        name = f"day 1/IMG_{seed:02d}.png" if seed % 3 else f"IMG_{seed:02d}.png"
        assert cv2.imwrite(str(folder / name), bgr)
    (folder / "copy.png").write_bytes((folder / "IMG_00.png").read_bytes())
    (folder / "cut.png").write_bytes((folder / "IMG_00.png").read_bytes()[:999])
    (folder / "cut too.png").write_bytes((folder / "cut.png").read_bytes())
    (folder / "text.jpg").write_text("no photo")
    (folder / "notes.txt").write_text("not even called one")
    return folder


class Job:
    """A folder in the place of /opt/ml."""

    def __init__(self, base: Path, album: Path, toys: Path, output: Path | None = None) -> None:
        self.base = base
        (base / "processing").mkdir(parents=True, exist_ok=True)
        (base / "processing/input").symlink_to(album)
        self.output = output or base / "processing/output"
        models = [f"--{kind}={toys / kind}" for kind in ("detector", "embedder")]
        self.command = [sys.executable, "-m", "serving", "process", *models]
        if output is not None:
            self.command += ["--output", str(output)]

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*self.command, *arguments],
            cwd=ROOT,
            env=os.environ | {"SAGEMAKER_BASE_DIR": str(self.base)},
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str) -> tuple[int, str]:
        process = self.start(*arguments)
        _, log = process.communicate(timeout=PATIENCE)
        return process.returncode, log

    def host(self, name: str, *hosts: str) -> None:
        (self.base / "config").mkdir(exist_ok=True)
        document = {"current_host": name, "hosts": list(hosts)}
        (self.base / "config/resourceconfig.json").write_text(json.dumps(document))

    def report(self, host: str = "algo-1") -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.output / f"report-{host}.json").read_text())
        return found

    def records(self) -> dict[str, Path]:
        return {path.stem: path for path in (self.output / "photos").glob("[!.]*.json")}

    def contents(self) -> dict[str, str]:
        """Every result by its hash, reports apart."""
        return {
            str(path.relative_to(self.output)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(self.output.rglob("*"))
            if path.is_file() and not path.name.startswith("report-")
        }


@pytest.fixture
def job(tmp_path: Path, album: Path, toy_folder: Path) -> Job:
    return Job(tmp_path / "ml", album, toy_folder)


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory, album: Path, toy_folder: Path) -> Job:
    """A job that nothing interrupted."""
    job = Job(tmp_path_factory.mktemp("whole"), album, toy_folder)
    code, log = job.run()
    assert code == 0, log
    return job


def test_results_are_the_librarys(whole: Job, album: Path, toy_folder: Path) -> None:
    pipeline = FacePipeline(
        FaceDetector(toy_folder / "detector", threads=1),
        FaceEmbedder(toy_folder / "embedder", threads=1),
    )
    report = whole.report()
    assert report["complete"] is True
    assert report["models"]["detector"] == pipeline.detector.contract_id
    assert report["models"]["embedder"] == pipeline.embedder.contract_id
    entries = {entry["key"]: entry for entry in report["photos"]}
    for key in ("IMG_00.png", "day 1/IMG_01.png"):
        expected = pipeline.run(load_image(album / key))
        entry = entries[key]
        record = json.loads((whole.output / f"photos/{entry['photo_id']}.json").read_text())
        assert entry["faces"] == len(record["faces"]) == len(expected) > 0
        assert record["sha256"] == hashlib.sha256((album / key).read_bytes()).hexdigest()
        assert (record["width"], record["height"]) == (640, 480)
        vectors = np.load(whole.output / record["vectors"])
        np.testing.assert_allclose(vectors, expected.vectors, atol=1e-5)
        for face, box, crop in zip(
            record["faces"], expected.detections.boxes, expected.crops, strict=True
        ):
            np.testing.assert_allclose(face["box"], box, atol=1e-3)
            # Lossless: the pixels that were embedded.
            np.testing.assert_array_equal(load_image(whole.output / face["crop"]), crop)


def test_bad_photos_are_entries_and_copies_are_worked_on_once(whole: Job) -> None:
    report = whole.report()
    entries = {entry["key"]: entry for entry in report["photos"]}
    assert report["counts"]["photos"] == len(entries) == PHOTOS + 4
    assert report["counts"]["computed"] == PHOTOS
    assert report["counts"]["failed"] == 3
    assert "not an image" in entries["text.jpg"]["error"]
    assert "damaged" in entries["cut.png"]["error"]
    assert entries["cut too.png"]["error"] == entries["cut.png"]["error"]
    assert "notes.txt" not in entries
    assert entries["copy.png"]["photo_id"] == entries["IMG_00.png"]["photo_id"]
    assert entries["copy.png"]["faces"] == entries["IMG_00.png"]["faces"] > 0
    assert len(whole.records()) == PHOTOS


def wait_for_records(job: Job, process: subprocess.Popen[str], count: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while len(job.records()) < count:
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.005)


def test_a_killed_job_goes_on_and_redoes_nothing(job: Job, whole: Job) -> None:
    process = job.start("--workers", "1")
    wait_for_records(job, process, 3)
    process.kill()
    process.communicate()
    (job.output / f"photos/{PART_PREFIX}a.json").write_text("{")  # as a kill in mid-write leaves it
    before = {name: path.stat().st_mtime_ns for name, path in job.records().items()}
    assert 3 <= len(before) < PHOTOS
    code, log = job.run()
    assert code == 0, log
    counts = job.report()["counts"]
    assert counts["resumed"] == len(before)
    assert counts["computed"] == PHOTOS - len(before)
    after = {name: path.stat().st_mtime_ns for name, path in job.records().items()}
    assert {name: after[name] for name in before} == before
    assert job.contents() == whole.contents()  # and no half-written file is left


def test_a_stopped_job_finishes_what_is_in_work_and_says_what_is_left(job: Job) -> None:
    process = job.start("--workers", "1")
    wait_for_records(job, process, 2)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=PATIENCE)
    assert process.returncode == 143
    report = job.report()
    assert report["complete"] is False
    assert report["counts"]["computed"] == len(job.records()) < PHOTOS
    assert report["left"] == PHOTOS + 4 - report["counts"]["photos"] > 0


def test_a_new_job_takes_over_what_an_earlier_one_finished(job: Job, whole: Job) -> None:
    (job.base / "processing/previous").symlink_to(whole.output)
    code, log = job.run()
    assert code == 0, log
    assert job.report()["counts"]["computed"] == 0
    assert job.contents() == whole.contents()


def test_results_of_other_models_are_made_anew(
    job: Job, whole: Job, toy_folder: Path, tmp_path: Path
) -> None:
    (job.base / "processing/previous").symlink_to(whole.output)
    from tests.inference.conftest import build_detector

    other = tmp_path / "other"
    other.mkdir()
    (other / "model.onnx").write_bytes(build_detector(factor=0.9))
    with tarfile.open(tmp_path / "model.tar.gz", "w:gz") as tar:  # as training leaves it
        tar.add(other / "model.onnx", "model.onnx")
    (other / "model.onnx").unlink()
    (tmp_path / "model.tar.gz").rename(other / "model.tar.gz")
    code, log = job.run("--detector", str(other))
    assert code == 0, log
    assert job.report()["counts"]["computed"] == PHOTOS


def test_machines_divide_what_each_of_them_was_given(
    tmp_path: Path, album: Path, toy_folder: Path, whole: Job
) -> None:
    hosts = ("algo-1", "algo-2")
    shared = tmp_path / "output"  # one prefix in S3
    keys: list[str] = []
    for name in hosts:
        job = Job(tmp_path / name, album, toy_folder, shared)
        job.host(name, *hosts)
        code, log = job.run()
        assert code == 0, log
        keys += [entry["key"] for entry in job.report(name)["photos"]]
        assert 0 < job.report(name)["counts"]["photos"] < PHOTOS
    assert sorted(keys) == sorted(entry["key"] for entry in whole.report()["photos"])
    assert job.contents() == whole.contents()


def test_what_was_sharded_by_key_is_all_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(tmp_path))
    inputs = [
        {
            "InputName": "a",
            "S3Input": {
                "LocalPath": "/opt/ml/processing/input/sharded",
                "S3DataDistributionType": "ShardedByS3Key",
            },
        },
        {"InputName": "b", "S3Input": {"LocalPath": "/opt/ml/processing/input/replicated"}},
        {"InputName": "c", "DatasetDefinition": {"LocalPath": "/opt/ml/processing/input/table"}},
    ]
    config = tmp_path / "processingjobconfig.json"
    config.write_text(json.dumps({"ProcessingInputs": inputs}))
    folder = tmp_path / "processing/input"
    sharded = [f"sharded/{k}.jpg" for k in range(50)]
    replicated = [f"replicated/{k}.jpg" for k in range(50)]
    parts = [
        share(sharded + replicated, folder, Host(name, ("a", "b", "c")), config)
        for name in ("a", "b", "c")
    ]
    assert all(set(sharded) <= set(part) for part in parts)
    rest = [key for part in parts for key in part if key not in sharded]
    assert sorted(rest) == sorted(replicated)


@pytest.mark.parametrize(
    ("name", "text"),
    [("resourceconfig.json", "{"), ("resourceconfig.json", "{}"), ("resourceconfig.json", "[]")],
)
def test_bad_configuration_is_an_error_of_usage(job: Job, name: str, text: str) -> None:
    (job.base / "config").mkdir()
    (job.base / "config" / name).write_text(text)
    code, log = job.run()
    assert code == 2
    assert name in log


def test_without_an_input_there_is_nothing_to_do(job: Job) -> None:
    code, log = job.run("--input", str(job.base / "nothing"))
    assert code == 2
    assert "nothing" in log
