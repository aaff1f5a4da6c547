"""The caller's account: what it keeps, its audit log, its export, its end."""

from __future__ import annotations

import time
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from fastapi.responses import StreamingResponse

from api.deps import ClosingUserDep, IdPath, ServicesDep, UserDep, WorkflowDep
from api.domain import audit, consent, erase, export, quota, receipts
from api.domain.models import JobState
from api.domain.receipts import Receipt
from api.errors import NotFound, Unavailable
from api.routers.schemas.base import Schema
from api.workflow.publication import request_publication

router = APIRouter(tags=["account"])

_WAIT_SECONDS = 10.0


class Account(Schema):
    """The caller, and how much of what is allowed is used."""

    user_id: str
    email: str | None
    photos: int
    bytes: int
    quota_photos: int
    quota_bytes: int
    training_consent: bool


class Consent(Schema):
    """May the caller's corrections train the models?"""

    training: bool


class AuditView(Schema):
    """Something that was done to the account, or seen of it."""

    id: str
    at: str
    actor: Literal["user", "recipient"]
    action: str
    subject: dict[str, str]
    request_id: str | None


class AuditPage(Schema):
    """Part of the audit log."""

    entries: tuple[AuditView, ...]
    cursor: str | None


class ErasedView(Schema):
    """How much there was when the erasing began; ``bytes`` are those of the objects."""

    albums: int
    photos: int
    faces: int
    clusters: int
    shares: int
    rows: int
    objects: int
    bytes: int


class ReceiptView(Schema):
    """The receipt of an erased account.

    ``digest`` is the SHA-256 of the JSON of ``id``, ``requestedAt``, ``completedAt`` and
    ``erased`` with sorted names and no spaces; ``genuine`` says that ``signature`` is ours.
    """

    id: str
    state: Literal["running", "failed", "done"]
    requested_at: str
    completed_at: str | None
    erased: ErasedView
    digest: str | None
    signature: str | None
    genuine: bool


def _view(services: ServicesDep, receipt: Receipt) -> ReceiptView:
    genuine = receipt.is_genuine(services.keyring)
    return ReceiptView.model_validate(receipt.model_dump() | {"genuine": genuine})


@router.get("/me", operation_id="getAccount")
def get_account(services: ServicesDep, user: UserDep) -> Account:
    """Who the caller is, and how much the caller keeps."""
    usage = quota.read(services, user.id)
    return Account(
        user_id=user.id,
        email=user.email,
        photos=usage.photos,
        bytes=usage.bytes,
        quota_photos=services.settings.quota_photos,
        quota_bytes=services.settings.quota_bytes,
        training_consent=consent.is_given(services, user.id),
    )


@router.put("/me/consent", operation_id="setConsent")
def set_consent(
    services: ServicesDep, workflow: WorkflowDep, user: UserDep, wanted: Consent
) -> Consent:
    """Let corrections train the models, or stop letting them; nobody consents by default."""
    change = consent.give if wanted.training else consent.withdraw
    change(services, user.id)
    request_publication(services, workflow, user.id)
    return wanted


@router.get("/me/audit", operation_id="listAudit")
def list_audit(
    services: ServicesDep,
    user: UserDep,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    cursor: Annotated[str | None, Query(max_length=2000)] = None,
) -> AuditPage:
    """Who saw and changed what, the newest first."""
    found = audit.page(services, user.id, limit=limit, cursor=cursor)
    return AuditPage(
        entries=tuple(AuditView.model_validate(entry) for entry in found.records),
        cursor=found.cursor,
    )


@router.get(
    "/me/export",
    operation_id="exportAccount",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/json": {}}, "description": "All rows"}},
)
def export_account(services: ServicesDep, user: UserDep) -> StreamingResponse:
    """Every row of the caller as one JSON document, with links to the photos."""
    headers = {"Content-Disposition": 'attachment; filename="faceflow-export.json"'}
    return StreamingResponse(
        export.export(services, user.id), headers=headers, media_type="application/json"
    )


@router.delete(
    "/me",
    operation_id="eraseAccount",
    responses={202: {"model": ReceiptView, "description": "Still going: ask for the receipt"}},
)
def erase_account(
    services: ServicesDep, workflow: WorkflowDep, user: ClosingUserDep, response: Response
) -> ReceiptView:
    """Erase every row and object of the caller.

    200 with the receipt once all is gone; 202 if that takes longer than some seconds.
    """
    job = erase.request(services, workflow, user.id)
    limit = time.monotonic() + _WAIT_SECONDS
    while True:
        receipt = receipts.read(services, job.id)
        if receipt is not None and receipt.state == "done":
            return _view(services, receipt)
        row = services.jobs.get(job.key())
        failed = row is not None and row.state is JobState.FAILED
        if failed or time.monotonic() > limit:
            if receipt is None:
                raise Unavailable("it could not begin: try again")
            response.status_code = 202
            view = _view(services, receipt)
            return view.model_copy(update={"state": "failed"}) if failed else view
        time.sleep(0.05)


@router.get("/receipts/{id}", operation_id="getReceipt")
def get_receipt(services: ServicesDep, id: IdPath) -> ReceiptView:  # noqa: A002
    """The receipt of an erased account; needs no account, which is gone."""
    receipt = receipts.read(services, id)
    if receipt is None:
        raise NotFound("there is no such receipt")
    return _view(services, receipt)
