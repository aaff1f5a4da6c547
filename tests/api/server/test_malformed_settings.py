"""Settings that cannot be used: one line that says which, what it is and what it may be, status 2,
and nothing is written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from api.__main__ import app
from api.lambdas import cluster, runtime
from api.lambdas.detect import handler as detect
from faceflow_ml.errors import SettingsError

SECRET = "a-short-one"

MALFORMED = {
    "APP_ENV": ("production", "'local', 'dev' or 'prod'"),
    "FACEFLOW_WORKERS": ("several", "a valid integer"),
    "FACEFLOW_QUOTA_PHOTOS": ("0", "greater than or equal to 1"),
    "FACEFLOW_RATE_PER_USER": ("many", "a valid number"),
    "FACEFLOW_CORS_ORIGINS": ("https://a.example", "JSON list"),
    "FACEFLOW_LOG_LEVEL": ("LOUD", "'DEBUG', 'INFO', 'WARNING' or 'ERROR'"),
    "FACEFLOW_PUBLIC_URL": ("photos.example", "like https://"),
    "FACEFLOW_SIGN_IN_URL": ("https://a.example/path", "without a path"),
    "FACEFLOW_MAIL_FROM": ("nobody", "an address, or Name <address>"),
    "FACEFLOW_WEB": ("/nowhere", "a folder with index.html"),
    "FACEFLOW_WEIGHTS": ("/nowhere", "a folder with manifest.json"),
    "FACEFLOW_SMTP_SECURITY": ("none", "'starttls' or 'tls'"),
}


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith(("FACEFLOW_", "APP_ENV")):
            monkeypatch.delenv(name)
    # Only these two together are impossible.
    monkeypatch.setenv("FACEFLOW_SMTP_HOST", "mail.example")
    monkeypatch.setenv("FACEFLOW_SMTP_USER", "me")


def call(*words: str) -> Result:
    return CliRunner().invoke(app, words)


def assert_one_line(said: str, *parts: str) -> None:
    assert said.startswith("Error: ") and said.count("\n") == 1 and "Traceback" not in said
    assert all(part in said for part in parts), said


@pytest.mark.parametrize("variable", MALFORMED)
@pytest.mark.parametrize("command", [(), ("reembed",)], ids=["serve", "reembed"])
def test_one_line_and_nothing_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, command: tuple[str, ...]
) -> None:
    given, allowed = MALFORMED[variable]
    monkeypatch.setenv(variable, given)
    ended = call(*command, "--data", str(tmp_path / "data"))
    assert ended.exit_code == 2
    assert_one_line(ended.stderr, f"{variable} is '{given}'", allowed)
    assert list(tmp_path.iterdir()) == []


def test_a_secret_is_never_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACEFLOW_SIGNING_KEYS", f"{'k' * 32},{SECRET}")
    monkeypatch.setenv("FACEFLOW_SMTP_PASSWORD", SECRET)
    monkeypatch.setenv("FACEFLOW_SMTP_PORT", "0")
    ended = call("--data", str(tmp_path / "data"))
    assert ended.exit_code == 2
    assert_one_line(
        ended.stderr, "FACEFLOW_SIGNING_KEYS: each", "32 characters", "SMTP_PORT is '0'"
    )
    assert SECRET not in ended.output and "kkk" not in ended.output
    assert list(tmp_path.iterdir()) == []


def test_data_that_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file"
    file.write_text("mine")
    for given in (file, file / "data"):
        monkeypatch.setenv("FACEFLOW_DATA", str(given))
        ended = call()
        assert ended.exit_code == 2
        assert_one_line(ended.stderr, f"FACEFLOW_DATA is '{given}'", f"{file} is a file")
    assert file.read_text() == "mine"


def test_a_host_that_is_none(tmp_path: Path) -> None:
    ended = call("--host", "not an address", "--data", str(tmp_path / "data"))
    assert ended.exit_code == 2
    assert_one_line(ended.stderr, "--host is 'not an address'")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["consent ada", "export-corrections --out out"])
def test_other_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    monkeypatch.setenv("APP_ENV", "production")
    monkeypatch.chdir(tmp_path)
    ended = call(*command.split())
    assert ended.exit_code == 2
    assert_one_line(ended.stderr, "APP_ENV is 'production'")
    assert list(tmp_path.iterdir()) == []


def test_restore_without_the_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    for bucket in ("RAW", "DERIVED", "EMBEDDINGS", "EXPORTS"):
        monkeypatch.setenv(f"FACEFLOW_{bucket}_BUCKET", "photos")
    monkeypatch.setenv("FACEFLOW_TABLE", "faceflow")
    monkeypatch.setenv("FACEFLOW_URL_SIGNER_KEY_ID", "K1")
    monkeypatch.setenv("FACEFLOW_URL_SIGNER_SECRET", "signer")
    monkeypatch.setenv("FACEFLOW_DETECTION_ENDPOINT", "detection")
    monkeypatch.setenv("FACEFLOW_EMBEDDING_ENDPOINT", "embedding")
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    ended = call("restore", "--at", "2026-01-01T00:00:00")
    assert ended.exit_code == 2
    assert_one_line(ended.stderr, "AWS_PROFILE", "nobody")
    monkeypatch.delenv("AWS_PROFILE")
    monkeypatch.setenv("FACEFLOW_RAW_BUCKET", "My Photos")
    ended = call("restore", "--at", "2026-01-01T00:00:00")
    assert_one_line(ended.stderr, "FACEFLOW_RAW_BUCKET is 'My Photos'", "like faceflow-prod-raw")


def test_a_function_logs_the_line_and_fails_by_the_errors_name(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Context:
        function_name = function_version = invoked_function_arn = aws_request_id = "f"
        memory_limit_in_mb = 128

        def get_remaining_time_in_millis(self) -> int:
            return 60_000

    monkeypatch.setenv("APP_ENV", "production")
    monkeypatch.setenv("POWERTOOLS_TRACE_DISABLED", "true")
    runtime.runtime.cache_clear()
    ids = {"userId": "u", "albumId": "a", "jobId": "j", "batch": "j-1"}
    # No `RetryLater`: the state machine must not try again what cannot succeed.
    with pytest.raises(SettingsError, match="APP_ENV is 'production'"):
        detect(ids, Context())  # type: ignore[arg-type]
    told = [vars(line)["reason"] for line in caplog.records if "reason" in vars(line)]
    assert told == ["APP_ENV is 'production'; it should be 'local', 'dev' or 'prod'"]


def test_the_task_says_what_it_was_not_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FACEFLOW_TASK_TOKEN", SECRET)
    monkeypatch.setenv("FACEFLOW_USER_ID", "ada")
    assert cluster.main() == 2
    said = capsys.readouterr().err
    assert_one_line(said, "FACEFLOW_ALBUM_ID is not set", "FACEFLOW_BATCH is not set")
    assert SECRET not in said and "USER_ID" not in said
