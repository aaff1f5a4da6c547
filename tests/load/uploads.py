"""Uploads under load, on one machine and on AWS: ``python -m tests.load.uploads --out
docs/benchmarks-uploads.md``, or `make bench-uploads`.

The application runs as a process, once over its embedded home, and once over the adapters of AWS
against an emulator that speaks the services' protocols and checks what was signed.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

from api.settings import Settings
from faceflow_ml.files import atomic_write_text
from tests.api.contract.cognito import make_pool
from tests.api.contract.conftest import new_key, open_account
from tests.api.contract.emulator import ACCESS_KEY, SECRET_KEY, Emulator
from tests.api.ingestion.conftest import photo_bytes
from tests.api.lambdas.process import environment_of
from tests.load.application import Running, application, dev_token
from tests.load.locusts import Requests, run_locust
from tests.load.pages import origin, request_table

_LOCUSTFILE = Path(__file__).with_name("uploads_locustfile.py")
_COMPLETE = "complete"


@dataclass(frozen=True)
class Load:
    """Who uploads what.

    batch: photos that addresses are asked for together. size: bytes of a photo.
    """

    users: int
    batch: int
    size: int
    seconds: float


@dataclass(frozen=True)
class Uploaded:
    """What the uploaders met.

    requests: by name; the last is of all together.
    visible: photos that the application shows afterwards.
    """

    requests: tuple[Requests, ...]
    visible: int

    @property
    def completed(self) -> Requests:
        """Of the last step."""
        none = Requests(_COMPLETE, 0, 0, 0.0, 0.0, 0.0, 0.0)
        return next((one for one in self.requests if one.name == _COMPLETE), none)

    @property
    def errors(self) -> int:
        """Requests that failed, and photos that were completed and are not to be seen."""
        completed = self.completed.count - self.completed.failures
        return self.requests[-1].failures + abs(completed - self.visible)


@dataclass(frozen=True)
class Measured:
    """A home under load.

    cpu_ms: processor time of the application for a photo.
    asked: requests to AWS for a photo, by what they asked for.
    """

    home: str
    uploaded: Uploaded
    cpu_ms: float
    asked: Mapping[str, float]


@dataclass(frozen=True)
class Site:
    """An application that runs, tokens of people, and what AWS was asked for so far."""

    running: Running
    tokens: Sequence[str]
    answered: Counter[str] = field(default_factory=Counter)


def upload(address: str, tokens: Sequence[str], load: Load, work: Path) -> Uploaded:
    """Let people upload to an application, one for each token, each to an album of their own."""
    photo = work / "photo.jpg"
    # Images may have anything after their end.
    photo.write_bytes(photo_bytes(0).ljust(load.size, b"\0"))
    requests = run_locust(
        _LOCUSTFILE,
        address,
        users=len(tokens),
        ramp=len(tokens),
        seconds=load.seconds,
        work=work,
        environment={
            "FACEFLOW_LOAD_TOKENS": json.dumps(list(tokens)),
            "FACEFLOW_LOAD_PHOTO": str(photo),
            "FACEFLOW_LOAD_BATCH": str(load.batch),
        },
    )
    with httpx2.Client(base_url=address, timeout=120) as client:
        visible = sum(_visible(client, token) for token in tokens)
    return Uploaded(requests, visible)


def _visible(client: httpx2.Client, token: str) -> int:
    headers = {"Authorization": f"Bearer {token}"}
    albums = client.get("/albums", headers=headers).raise_for_status().json()["albums"]
    counts = [
        client.get(f"/albums/{album['id']}/status", headers=headers).raise_for_status().json()
        for album in albums
    ]
    return sum(int(one["counts"]["photos"]) for one in counts)


@contextmanager
def embedded(work: Path, users: int) -> Iterator[Site]:
    """The application over SQLite and files."""
    with application(work / "data") as running:
        yield Site(running, [dev_token(running.client, f"load-{n}") for n in range(users)])


@contextmanager
def on_aws(work: Path, users: int) -> Iterator[Site]:
    """The application over DynamoDB, S3 and Cognito, as an emulator in this process has them."""
    emulator = Emulator()
    try:
        with open_account(emulator, {"K1": new_key()}) as account:
            pool = make_pool(emulator)
            people = [f"load-{n}@example.com" for n in range(users)]
            for email in people:
                pool.add_user(email)
            tokens = [pool.sign_in(email=email)["AccessToken"] for email in people]
            settings = Settings(jwt_issuer=pool.issuer)
            keys = (ACCESS_KEY, SECRET_KEY)
            environment = environment_of(account.settings, settings, emulator.url, keys) | {
                "FACEFLOW_JWT_AUDIENCE": pool.client_id,
                "FACEFLOW_JWKS_URL": pool.jwks_url,
                "FACEFLOW_SIGN_IN_URL": "https://sign-in.example",
            }
            with application(work / "data", environment, lambda _: tokens[0]) as running:
                yield Site(running, tokens, emulator.answered)
    finally:
        emulator.stop()


Home = Callable[[Path, int], AbstractContextManager[Site]]
HOMES: dict[str, Home] = {
    "One machine: SQLite and files": embedded,
    "AWS: DynamoDB, S3 and Cognito, emulated": on_aws,
}


def measure(name: str, home: Home, load: Load, work: Path) -> Measured:
    """Put one home under load."""
    with home(work, load.users) as site:
        cpu, asked = site.running.cpu_seconds(), Counter(site.answered)
        uploaded = upload(site.running.address, site.tokens, load, work)
        cpu, asked = site.running.cpu_seconds() - cpu, site.answered - asked
    photos = max(1, uploaded.completed.count)
    each = {what: count / photos for what, count in asked.most_common()}
    return Measured(name, uploaded, 1000 * cpu / photos, each)


def render(load: Load, measured: Sequence[Measured], busy: float) -> str:
    """The document; ``busy``: the machine's load before."""
    lines = [
        "# Uploads, measured",
        "",
        origin("make bench-uploads", busy),
        "",
        f"{load.users} people, by Locust, upload photos of {load.size / 1000:,.0f} kB for "
        f"{load.seconds:g} seconds without a pause, each to an album of their own: addresses of "
        f"{load.batch} photos are asked for, the bytes are sent to the presigned addresses, the "
        "photos are completed. Afterwards every photo that was completed has to be in its album; "
        "one that is not is an error. Clients, application and emulator share the processors, so "
        "that times are those of a machine with too much to do.",
        "",
        "| home | photos/s | MB/s | errors | processor ms of the application for a photo |",
        "|---|---:|---:|---:|---:|",
        *(_line(one, load) for one in measured),
        "",
        "AWS is emulated by one process that answers one request after the other and checks each "
        "signature: what is measured are the adapters and their requests, not how fast AWS is.",
    ]
    for one in measured:
        lines += ["", f"## {one.home}", "", *request_table(one.uploaded.requests)]
        if one.asked:
            asked = [f"{what} {number:.1f}" for what, number in one.asked.items() if number >= 0.05]
            lines += ["", f"Requests to AWS for a photo: {', '.join(asked)}."]
    return "\n".join([*lines, ""])


def _line(one: Measured, load: Load) -> str:
    rate = one.uploaded.completed.per_second
    return (
        f"| {one.home} | {rate:.1f} | {rate * load.size / 1e6:.1f} | {one.uploaded.errors} |"
        f" {one.cpu_ms:.1f} |"
    )


def main() -> None:
    """Measure and write; exit status 1 if there were errors."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="document to write; without one, stdout")
    parser.add_argument("--users", type=int, default=8)
    parser.add_argument("--batch", type=int, default=8, help="photos asked for together")
    parser.add_argument("--kilobytes", type=int, default=500, help="of a photo")
    parser.add_argument("--seconds", type=float, default=30.0, help="for each home")
    options = parser.parse_args()
    load = Load(options.users, options.batch, options.kilobytes * 1000, options.seconds)
    busy = os.getloadavg()[0]
    measured = []
    for name, home in HOMES.items():
        sys.stderr.write(f"{name}: {load.seconds:g} seconds\n")
        with tempfile.TemporaryDirectory(prefix="faceflow-uploads-") as folder:
            measured.append(measure(name, home, load, Path(folder)))
    document = render(load, measured, busy)
    if options.out is None:
        sys.stdout.write(document)
    else:
        atomic_write_text(options.out, document)
    errors = sum(one.uploaded.errors for one in measured)
    if errors:
        sys.stderr.write(f"Error: {errors} errors\n")
        raise SystemExit(1)


if __name__ == "__main__":
    main()
