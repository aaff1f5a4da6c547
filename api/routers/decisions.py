"""The log of what people decided, and taking it back."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path

from api.deps import AlbumDep, ServicesDep, WorkflowDep
from api.domain import edits
from api.domain.history import list_decisions
from api.domain.models import DecisionKind, JobKind
from api.domain.people import leaves_alone
from api.ids import ULID_PATTERN
from api.routers.schemas.base import Schema
from api.routers.schemas.people import CursorQuery, Edited, LimitQuery, PeopleViews

router = APIRouter(tags=["decisions"])

DecisionPath = Annotated[str, Path(pattern=ULID_PATTERN)]


class DecisionView(Schema):
    """A decision.

    ``data`` has what it is about, by kind: ``cluster``, ``clusters``, ``face``, ``faces``,
    ``name``, ``new``, ``hidden``, ``first`` and ``second``, or ``decision`` (of an undo).
    ``undoneBy``: the undo that took it back; null: it counts.
    """

    id: str
    kind: DecisionKind
    created_at: str
    data: dict[str, Any]
    undone_by: str | None


class DecisionPage(Schema):
    """Part of the log, the newest first."""

    decisions: tuple[DecisionView, ...]
    cursor: str | None


@router.get("/albums/{id}/decisions", operation_id="listDecisions")
def decisions(
    services: ServicesDep, album: AlbumDep, limit: LimitQuery = 100, cursor: CursorQuery = None
) -> DecisionPage:
    """What people decided, the newest first."""
    page = list_decisions(services, album, limit, cursor)
    return DecisionPage(
        decisions=tuple(map(DecisionView.model_validate, page.records)), cursor=page.cursor
    )


@router.post("/albums/{id}/decisions/{decision_id}/undo", operation_id="undoDecision")
def undo(
    services: ServicesDep, workflow: WorkflowDep, album: AlbumDep, decision_id: DecisionPath
) -> Edited:
    """Take a decision back; of an undo, do again what it took back.

    Faces that are nobody's by that are grouped again in the background.
    """
    outcome = edits.undo(services, album, decision_id)
    if leaves_alone(outcome):
        workflow.start(JobKind.RECLUSTER, album.user_id, album.id, outcome.entry.id)
    return PeopleViews(services, album).edited(outcome)
