"""Starting, being busy, and ending."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import numpy as np
import pytest

from faceflow_ml import FaceEmbedder
from faceflow_ml.inference.pretrained import weights_dir
from tests.serving.conftest import crops, npy
from tests.serving.server import PATIENCE, ROOT, Server, serving

NPY = "application/x-npy"
MANY = npy(crops(150))  # more than a second of work, on any machine


def test_ping_is_503_until_the_model_is_loaded_and_the_exit_is_clean() -> None:
    server = Server("embedding")
    try:
        seen = server.wait()
        assert set(seen) <= {None, 503, 200}
        assert 503 in seen
        assert server.terminate() == 0
        assert server.ping() is None
    finally:
        server.close()


def test_invocations_while_loading_are_told_to_come_again() -> None:
    server = Server("embedding")
    try:
        while server.ping() is None:
            time.sleep(0.005)
        response = server.post(npy(crops(1)), NPY)
        # The model may have come meanwhile, on a machine that was busy with other things.
        assert response.status_code in (200, 503)
        if response.status_code == 503:
            assert int(response.headers["retry-after"]) >= 1
    finally:
        server.close()


def test_a_full_queue_sends_others_away_at_once() -> None:
    with (
        serving("embedding", FACEFLOW_SERVING_QUEUE_SIZE="4") as server,
        ThreadPoolExecutor() as pool,
    ):
        busy = pool.submit(server.post, MANY, NPY)
        server.wait_for_work()
        refused = server.post(npy(crops(1)), NPY)
        assert refused.status_code == 503
        assert refused.json()["status"] == 503
        assert int(refused.headers["retry-after"]) >= 1
        assert busy.result().status_code == 200
        # It empties again, and one request cannot take more places than are left to it.
        assert server.post(npy(crops(1)), NPY).status_code == 200
        assert server.metric("faceflow_serving_queue_images") == 0


def test_an_answer_that_takes_too_long_is_given_up() -> None:
    with serving("embedding", FACEFLOW_SERVING_REQUEST_TIMEOUT="0.2") as server:
        late = server.post(MANY, NPY)
        assert late.status_code == 503
        assert "too long" in late.json()["detail"]
        assert "retry-after" in late.headers
        with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as slow:
            slow.sendall(
                b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\n"
                b"Content-Length: 99\r\n\r\nx"
            )
            assert slow.recv(64).startswith(b"HTTP/1.1 408")
        assert server.metric("faceflow_serving_queue_images") == 0


def test_work_for_clients_that_left_is_not_done() -> None:
    with serving("embedding", FACEFLOW_SERVING_MAX_BATCH="4") as server:
        with socket.create_connection(("127.0.0.1", server.port)) as client:
            head = f"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: {NPY}\r\n"
            client.sendall(f"{head}Content-Length: {len(MANY)}\r\n\r\n".encode() + MANY)
            server.wait_for_work()
        deadline = time.monotonic() + PATIENCE
        while server.metric("faceflow_serving_queue_images"):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert server.metric("faceflow_serving_batch_images_sum") < 150


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_requests_in_work_are_finished_before_the_end(
    number: signal.Signals, embedder: FaceEmbedder
) -> None:
    with serving("embedding") as server, ThreadPoolExecutor() as pool:
        busy = pool.submit(
            httpx2.post,
            f"http://127.0.0.1:{server.port}/invocations",
            content=MANY,
            headers={"Content-Type": NPY},
            timeout=PATIENCE,
        )
        server.wait_for_work()
        server.process.send_signal(number)
        response = busy.result()
        assert response.status_code == 200
        found = np.array(response.json()["embeddings"], np.float32)
        np.testing.assert_allclose(found, embedder.embed(crops(150)), atol=1e-5)
        assert server.process.wait(PATIENCE) == 0
        with pytest.raises(ConnectionError):
            socket.create_connection(("127.0.0.1", server.port)).close()


def refused(task: str, *arguments: str, **environment: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "serving", task, "serve", *arguments],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    return done.returncode, done.stderr


@pytest.fixture
def model_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    for name in ("embedder.onnx", "manifest.json"):
        shutil.copy(weights_dir() / name, folder)
    return folder


def test_an_altered_model_is_refused(model_folder: Path) -> None:
    file = model_folder / "embedder.onnx"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    code, log = refused("embedding", "--model-dir", str(model_folder))
    assert code == 1
    assert "altered" in json.loads(log.splitlines()[-1])["event"]


@pytest.mark.parametrize("case", ["missing", "empty", "other kind"])
def test_a_folder_without_the_model_is_refused(tmp_path: Path, toy_folder: Path, case: str) -> None:
    folder = {"missing": tmp_path / "no", "empty": tmp_path, "other kind": toy_folder / "detector"}
    code, log = refused("embedding", "--model-dir", str(folder[case]))
    assert code == 1
    assert "cannot be served" in log


def test_the_deployed_model_is_served_by_default(model_folder: Path) -> None:
    manifest = json.loads((model_folder / "manifest.json").read_text())
    entry = manifest["models"]["embedder"]["embedder"]
    with serving("embedding", SAGEMAKER_BASE_DIR=str(model_folder.parent)) as server:
        assert server.client.get("/metadata").json()["sha256"] == entry["sha256"]
    # What is there but holds no model is an error, not a reason to take other weights.
    (model_folder / "manifest.json").unlink()
    (model_folder / "embedder.onnx").rename(model_folder / "embedder.bin")
    code, _ = refused("embedding", SAGEMAKER_BASE_DIR=str(model_folder.parent))
    assert code == 1


@pytest.mark.parametrize(("name", "value"), [("MAX_BATCH", "0"), ("MAX_BATCHES", "8")])
def test_bad_settings_are_named(name: str, value: str) -> None:
    code, log = refused("embedding", **{f"FACEFLOW_SERVING_{name}": value})
    assert code == 2
    assert name.lower() in log.lower()


def test_several_processes_share_the_port(toy_folder: Path) -> None:
    environment = {"FACEFLOW_SERVING_PROCESSES": "2"}
    folder = str(toy_folder / "embedder")
    with serving("embedding", "--model-dir", folder, **environment) as server:
        body = npy(crops(2))
        for _ in range(6):
            with httpx2.Client(timeout=PATIENCE) as client:
                url = f"http://127.0.0.1:{server.port}/invocations"
                for _ in range(600):  # the second process may still be loading
                    answer = client.post(url, content=body, headers={"Content-Type": NPY})
                    if answer.status_code != 503:
                        break
                    time.sleep(0.05)
                assert answer.status_code == 200
        counted = [
            line
            for line in server.client.get("/metrics").text.splitlines()
            if line.startswith("faceflow_serving_requests_total")
            and 'route="/invocations",status="200"' in line
        ]
        assert [float(line.split()[-1]) for line in counted] == [6]
        assert server.terminate() == 0


def test_batch_transform_sets_its_own_limits(toy_folder: Path) -> None:
    folder = str(toy_folder / "detector")
    environment = {
        "SAGEMAKER_BATCH": "true",
        "SAGEMAKER_MAX_PAYLOAD_IN_MB": "8",
        "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS": "32",
        "FACEFLOW_SERVING_TASK": "detection",
    }
    with serving("detection", "--model-dir", folder, **environment) as server:
        assert server.client.get("/execution-parameters").json()["MaxPayloadInMB"] == 8
        photo = np.zeros((1536, 1536, 3), np.uint8)  # 6.75 MiB
        assert server.post(npy(photo), NPY).status_code == 200
        assert server.post(bytes(9 * 2**20), NPY).status_code == 413
