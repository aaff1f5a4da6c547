"""Which function does which kind of job."""

from __future__ import annotations

import logging
import time

from api import logs, metrics
from api.domain.albums import delete_everything
from api.domain.erase import erase
from api.domain.models import JobKind
from api.domain.people import run_recluster
from api.domain.purge import purge_album
from api.sharing.archive import build_archive
from api.sharing.notify import send_mail
from api.workflow.context import Handler, Handlers, JobContext, JobInterrupted
from api.workflow.ingestion import ingest
from api.workflow.publication import publish
from api.workflow.reembedding import reembed

_log = logging.getLogger(__name__)

_HANDLERS: Handlers = {
    JobKind.ARCHIVE: build_archive,
    JobKind.DELETE_ALBUM: delete_everything,
    JobKind.ERASE: erase,
    JobKind.INGEST: ingest,
    JobKind.MAIL: send_mail,
    JobKind.PUBLISH: publish,
    JobKind.PURGE: purge_album,
    JobKind.RECLUSTER: run_recluster,
    JobKind.REEMBED: reembed,
}


def job_handlers() -> Handlers:
    """The handlers of every kind, measured, and with the ids of job and request in their logs."""
    return {kind: _observed(kind, handler) for kind, handler in _HANDLERS.items()}


def _observed(kind: JobKind, handler: Handler) -> Handler:
    def run(context: JobContext) -> None:
        outcome = "failed"
        started = time.perf_counter()
        with (
            logs.bound(job_id=context.job.id, request_id=context.job.request_id),
            metrics.JOBS_RUNNING.labels(kind).track_inprogress(),
        ):
            try:
                handler(context)
                outcome = "done"
            except JobInterrupted:
                outcome = "interrupted"
                raise
            finally:
                seconds = time.perf_counter() - started
                metrics.JOBS.labels(kind, outcome).inc()
                metrics.JOB_SECONDS.labels(kind).observe(seconds)
                told = {"kind": str(kind), "outcome": outcome, "seconds": round(seconds, 4)}
                _log.info("job", extra=told)

    return run
