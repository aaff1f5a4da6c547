"""The job that publishes a user's corrections to where the models are trained, or takes them away.

What is published follows the user's consent: the job makes it so, whatever was there before, and
may be repeated at any time. It starts every night for everybody who consents, and whenever somebody
consents or withdraws consent; erasing an account removes what was published by itself.

Faces are cut out of photos once: later archives take them from the earlier one. A job that has very
many to cut publishes what it has now and then, which is whole in itself, and goes on from there
after a crash or in another invocation.
"""

from __future__ import annotations

import logging
import tarfile
import tempfile
from pathlib import Path

from api.corrections import CorrectionsWriter
from api.domain import consent
from api.domain.models import JobKind
from api.earlier_export import EarlierExport
from api.ids import now
from api.published import Published, pseudonyms
from api.services import Services
from api.workflow.context import JobContext
from api.workflow.workflow import Workflow
from faceflow_ml.errors import FaceFlowError
from faceflow_ml.files import unpack_archive

_log = logging.getLogger(__name__)

_CUT_SECONDS = 200.0
"""Of cutting faces out until what there is is published; a function has 900 for everything."""


def request_publication(services: Services, workflow: Workflow, user_id: str) -> None:
    """What is published of a user is to follow the consent that was just given or withdrawn."""
    if services.published is not None:
        workflow.start(JobKind.PUBLISH, user_id, "")


def start_publication(services: Services, workflow: Workflow) -> None:
    """Take out everybody who does not consent, and start the job of everybody who does."""
    place = services.published
    if place is None:
        return
    # First what is there: who consents after this was not yet looked for.
    found = place.found()
    users = list(consent.users(services))
    # Of a signing key that is used no more, too: their users are published anew.
    gone = place.keep((pseudonyms(services.keyring, user)[0] for user in users), found)
    place.mark(now())
    for user in users:
        workflow.start(JobKind.PUBLISH, user, "")
    _log.info("corrections are published", extra={"users": len(users), "removed": gone})


def publish(context: JobContext) -> None:
    """The handler of the job."""
    services, user = context.services, context.job.user_id
    place = services.published
    if place is None:
        return
    complete = False
    while not complete and consent.is_given(services, user):
        complete = _publish(context, place)
    # Whoever withdraws while this runs finds the archive before or after it was stored: here it is
    # stored, so that one of the two removes it.
    if not consent.is_given(services, user):
        place.remove(pseudonyms(services.keyring, user))
    _forget_earlier_jobs(context)


def _publish(context: JobContext, place: Published) -> bool:
    """Publish what a user says now; False if there are faces left to cut out."""
    services, user = context.services, context.job.user_id
    name, *others = pseudonyms(services.keyring, user)
    with tempfile.TemporaryDirectory(prefix="faceflow-") as work:
        export = Path(work) / "export"
        export.mkdir()
        earlier = _earlier(place, name, Path(work))
        writer = CorrectionsWriter(
            services, export, earlier=earlier, seconds=_CUT_SECONDS, tick=context.checkpoint
        )
        done = writer.write([user])
        if not done.faces:
            place.remove([name])
        elif earlier is None or writer.cut or earlier.sha256 != writer.sha256:
            archive = Path(work) / "export.tar"
            _pack(export, archive)
            context.checkpoint()
            place.put(name, archive)
    place.remove(others)
    return not done.faces_waiting


def _earlier(place: Published, name: str, work: Path) -> EarlierExport | None:
    archive = work / "earlier.tar"
    if not place.fetch(name, archive):
        return None
    try:
        unpack_archive(archive, work / "earlier")
        return EarlierExport(work / "earlier")
    except FaceFlowError as error:
        _log.warning("an archive of corrections is made anew", extra={"reason": str(error)})
        return None
    finally:
        archive.unlink()


def _pack(folder: Path, archive: Path) -> None:
    with tarfile.open(archive, "w") as out:
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            member = tarfile.TarInfo(file.relative_to(folder).as_posix())
            member.size = file.stat().st_size
            with file.open("rb") as content:
                out.addfile(member, content)


def _forget_earlier_jobs(context: JobContext) -> None:
    """There is one every night: only the last is kept."""
    own = context.job
    jobs = context.services.jobs.all(f"USER#{own.user_id}")
    ended = [job.key() for job in jobs if job.kind is JobKind.PUBLISH and job.id != own.id]
    context.services.jobs.delete(ended)
