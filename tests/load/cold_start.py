"""How long the functions take to start: ``python -m tests.load.cold_start --out FILE``.

Each handler is started as Lambda starts it, by Lambda's own runtime client in a process of its own,
against the emulator, and gets one event that it refuses or has nothing to do for.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from moto.core import DEFAULT_ACCOUNT_ID

from api.aws import AwsSettings
from api.ids import new_id
from api.repositories.dynamo_schema import table_definition
from api.settings import Settings
from faceflow_ml.files import atomic_write_text
from tests.api.contract.emulator import ACCESS_KEY, REGION, SECRET_KEY, Emulator
from tests.api.lambdas.process import FunctionProcess, environment_of

STAGES = ("extract", "deduplicate", "detect", "embed", "cluster", "notify")
_IDS = {"userId": "u", "albumId": "a", "jobId": "j", "batch": "j-1", "photoIds": []}


def events() -> dict[str, Any]:
    """The first event of each function."""
    record = {"messageId": "m", "receiptHandle": "r", "body": "{}", "eventSource": "aws:sqs"}
    route = {"routeKey": "$disconnect", "connectionId": "c"}
    return dict.fromkeys(STAGES, _IDS) | {
        "ingest": {"Records": [record]},
        "jobs": {"Records": [record]},
        "sockets": {"requestContext": route},
    }


@contextmanager
def environment() -> Iterator[dict[str, str]]:
    """A table, and what a function is told of it."""
    emulator = Emulator()
    name = f"faceflow-{new_id().lower()}"
    emulator.client("dynamodb").create_table(**table_definition(name))
    machine = f"arn:aws:states:{REGION}:{DEFAULT_ACCOUNT_ID}:stateMachine:{name}"
    aws = AwsSettings(
        table=name,
        raw_bucket=f"{name}-raw",
        derived_bucket=f"{name}-derived",
        embeddings_bucket=f"{name}-embeddings",
        exports_bucket=f"{name}-exports",
        url_signer_key_id="K1",
        url_signer_secret="none",
        detection_endpoint="detection",
        embedding_endpoint="embedding",
        state_machine_arn=machine,
        jobs_queue_url=f"{emulator.url}/{name}",
        sockets_url=f"{emulator.url}/main",
    )
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data=Path(folder), jwt_issuer="https://issuer.example")
        yield environment_of(aws, settings, emulator.url, (ACCESS_KEY, SECRET_KEY))
    emulator.stop()


def measure(function: str, event: Any, given: dict[str, str]) -> tuple[float, float, float, float]:
    """Processor seconds of the initialisation, the first and the second invocation; MB after."""
    process = FunctionProcess(f"api.lambdas.{function}.handler", given)
    try:
        if not process.started.wait(300):
            raise RuntimeError(f"{function} did not start")
        begun = process.cpu_seconds()
        process.invoke(event)
        first = process.cpu_seconds()
        process.invoke(event)
        second = process.cpu_seconds()
        return begun, first - begun, second - first, process.resident_mb()
    finally:
        process.stop()


def main(
    out: Annotated[Path | None, typer.Option(help="Where the report goes.")] = None,
    rounds: Annotated[int, typer.Option(help="Starts of each function; the median counts.")] = 3,
) -> None:
    """Measure, and print or write the report."""
    lines = [
        "# The functions, started",
        "",
        "Written by `python -m tests.load.cold_start --out docs/benchmarks-lambda.md`;"
        " do not edit.",
        "",
        f"Measured {datetime.now(UTC):%Y-%m-%dT%H:%MZ}: median of {rounds} starts by Lambda's"
        " runtime client, against the emulator, libraries in the cache of the disk. Processor"
        " seconds of one core, which do not depend on what else the machine was doing; Lambda gives"
        " a core to 1769 MB of memory, and pulls the image besides.",
        "",
        "| function | initialisation s | first event s | second event s | memory MB |",
        "| --- | --- | --- | --- | --- |",
    ]
    with environment() as given:
        for function, event in events().items():
            rows = [measure(function, event, given) for _ in range(rounds)]
            begun, first, second, memory = (
                statistics.median(column) for column in zip(*rows, strict=True)
            )
            lines.append(
                f"| {function} | {begun:.2f} | {first:.2f} | {second:.2f} | {memory:.0f} |"
            )
            typer.echo(lines[-1], err=True)
    text = "\n".join(lines) + "\n"
    if out is None:
        typer.echo(text)
    else:
        atomic_write_text(out, text)


if __name__ == "__main__":
    typer.run(main)
