"""The building of an archive, and the erasing of an account, killed with SIGKILL before each of
their writes, and taken up by another process.

Run as ``python -m tests.api.endings FOLDER archive|erase``: prints a JSON report. A process of its
own, for the reason that `ingestion.kill_points` gives.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from api.domain import audit, edits, erase, receipts
from api.domain.models import JobKind, JobState
from api.domain.share_models import Archive
from api.handlers import job_handlers
from api.home import open_services
from api.repositories.table import Index
from api.services import Services
from api.sharing.shares import Recipient, ShareOptions, create_shares
from api.workflow.runner import LocalWorkflow
from tests.api.ingestion.kill_points import OPTIONS, USER, Writes, close, deadly, settings
from tests.api.sharing.booth import Booth, VectorsOnly, jpeg

OTHER = "bob"
PHOTOS = 7
Begin = Callable[[Services, LocalWorkflow], object]


@dataclass(frozen=True)
class Made:
    """Ids of what the template holds."""

    album: str
    share: str


def open_folder(folder: Path) -> Services:
    return open_services(settings(folder), VectorsOnly())  # type: ignore[arg-type]


def template(folder: Path) -> Made:
    """Two users; one has people, a decision, an unfinished upload and a share of several parts."""
    services = open_folder(folder)
    Booth.open(services, OTHER).photo((0,))
    booth = Booth.open(services, USER)
    for k in range(PHOTOS):
        booth.photo((k % 3,), data=jpeg(k, (1400, 1000)), filename=f"{k % 3}.jpg")
    booth.group()
    edits.label(services, booth.current(), booth.cluster(0), "Anna")
    key = f"tenant/{USER}/{booth.album.id}/2026/01/01/x.jpg"
    upload = services.objects.start_multipart(key, "image/jpeg")
    services.objects.put_part(key, upload, 1, b"some of it")
    recipient = Recipient("carol@example.org", tuple(booth.cluster(k) for k in range(3)))
    workflow = LocalWorkflow(services, {})
    options = ShareOptions(send_mail=False)
    (share,) = create_shares(services, workflow, booth.current(), USER, [recipient], options)
    audit.record(
        services,
        USER,
        actor="user",
        action="createShares",
        subject={"id": booth.album.id},
        request_id=None,
    )
    close(services)
    return Made(booth.album.id, share.id)


def begin_archive(made: Made) -> Begin:
    return lambda services, workflow: workflow.start(JobKind.ARCHIVE, USER, made.album, made.share)


def begin_erase(_: Made) -> Begin:
    return lambda services, workflow: erase.request(services, workflow, USER)


def files_of(folder: Path) -> dict[str, str]:
    """Every file that somebody has put there, with its SHA-256.

    Not what the store itself clears away, or nobody can reach: files that were being written, and
    multipart uploads without a part whose id was not noted yet.
    """
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        own = name.startswith(("faceflow.db", "secrets", "objects/temporary"))
        empty = path.name == "key" and len(list(path.parent.iterdir())) == 1
        if path.is_file() and not own and not empty:
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def after_archive(folder: Path, made: Made) -> dict[str, Any]:
    """The archive, what is known of it, and that nothing else is left."""
    services = open_folder(folder)
    row = services.archives.get(Archive.key_of(made.album, made.share))
    close(services)
    known = None if row is None else row.model_dump(mode="json", exclude={"built_at"})
    return {"row": known, "files": files_of(folder)}


def after_erase(folder: Path, _: Made) -> dict[str, Any]:
    """Every row and file, and the receipt but for its id and times."""
    services = open_folder(folder)
    with sqlite3.connect(folder / "faceflow.db") as connection:
        rows = connection.execute("SELECT pk, sk, item FROM items ORDER BY pk, sk").fetchall()
    found: dict[str, Any] = {"receipts": [], "rows": {}, "files": files_of(folder)}
    for pk, sk, item in rows:
        if not pk.startswith("RECEIPT#"):
            found["rows"][f"{pk} {sk}"] = item
            continue
        receipt = receipts.read(services, pk.removeprefix("RECEIPT#"))
        assert receipt is not None
        state = [receipt.state, receipt.is_genuine(services.keyring)]
        found["receipts"].append([*state, receipt.erased.model_dump()])
    close(services)
    return found


CASES = {"archive": (begin_archive, after_archive), "erase": (begin_erase, after_erase)}


def work(folder: Path, begin: Begin | None, deadly_at: int, log: Path) -> None:
    """Go on until no job is left to do, or to the n-th write."""
    writes = Writes(deadly_at)
    plain = open_folder(folder)
    services = deadly(plain, writes)
    workflow = LocalWorkflow(services, job_handlers(), OPTIONS)
    if begin is not None:
        begin(services, workflow)
    workflow.resume()
    limit = time.monotonic() + 60
    while time.monotonic() < limit:
        if not list(plain.jobs.index_all(Index.GSI1, f"JOB#{JobState.RUNNING}")):
            log.write_text(json.dumps(writes.count))
            workflow.stop()
            close(plain)
            os._exit(0)
        time.sleep(0.005)
    os._exit(3)


def fork(folder: Path, begin: Begin | None, deadly_at: int = 0) -> tuple[int, int | None]:
    """Work in a child: its wait status, and its writes if it came to its end."""
    log = folder.parent / "log.json"
    log.unlink(missing_ok=True)
    pid = os.fork()
    if pid == 0:
        try:
            work(folder, begin, deadly_at, log)
        finally:
            os._exit(4)
    _, status = os.waitpid(pid, 0)
    return status, json.loads(log.read_text()) if log.exists() else None


def main(folder: Path, case: str) -> None:
    erase._PAUSE_SECONDS = 0.01
    source = folder / "source"
    pid = os.fork()  # SQLite and its threads stay in the child
    if pid == 0:
        (folder / "made").write_text(json.dumps(vars(template(source))))
        os._exit(0)
    os.waitpid(pid, 0)
    made = Made(**json.loads((folder / "made").read_text()))
    begin, after = CASES[case][0](made), CASES[case][1]

    def fresh() -> Path:
        data = folder / "data"
        shutil.rmtree(data, ignore_errors=True)
        shutil.copytree(source, data)
        return data

    data = fresh()
    status, writes = fork(data, begin)
    if status != 0 or writes is None:
        raise SystemExit(f"the undisturbed run failed: {status}")
    expected = after(data, made)
    report: dict[str, Any] = vars(made) | {"writes": writes, "killed": 0, "different": {}}
    # The first write starts the job: before it there is nothing to take up.
    for point in range(2, writes + 1):
        data = fresh()
        status, _ = fork(data, begin, point)
        if not os.WIFSIGNALED(status):
            continue  # leases are renewed by the clock: there are not always as many writes
        report["killed"] += 1
        if report["killed"] % 4 == 0:
            fork(data, None, max(point // 2, 1))
        status, _ = fork(data, None)
        got = after(data, made)
        if got != expected or status != 0:
            report["different"][point] = {
                key: [got[key], expected[key]] for key in got if got[key] != expected[key]
            } | {"status": status}
    print(json.dumps(report | {"expected": expected}))  # noqa: T201 - its output


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
