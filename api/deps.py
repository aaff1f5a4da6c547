"""What routes ask for: the services, the workflow, the caller, the caller's album."""

from __future__ import annotations

from typing import Annotated, cast

from fastapi import Depends, Path, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from api.auth import User
from api.domain.erase import check_open
from api.domain.models import Album
from api.errors import NotFound, Unauthorized
from api.ids import ULID_PATTERN
from api.server.limits import Limits
from api.services import Services
from api.workflow.workflow import Workflow

_bearer = HTTPBearer(auto_error=False, description="JWT of Cognito or of the local issuer")


# Those that wait for nothing are coroutines: FastAPI calls every other in a thread of the pool, and
# each way there and back costs a request more than most of them do.
async def _services(request: Request) -> Services:
    return cast(Services, request.app.state.services)


async def _workflow(request: Request) -> Workflow:
    return cast(Workflow, request.app.state.workflow)


ServicesDep = Annotated[Services, Depends(_services)]
WorkflowDep = Annotated[Workflow, Depends(_workflow)]


async def _token(
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> str:
    if credentials is None:
        raise Unauthorized("send a bearer token in the Authorization header")
    return credentials.credentials


_TokenDep = Annotated[str, Depends(_token)]


def _closing_user(request: Request, services: ServicesDep, token: _TokenDep) -> User:
    user = services.tokens.verify(token)
    request.state.user = user
    limits = cast(Limits, request.app.state.limits)
    limits.user.take(user.id)
    return user


async def _sign_in_limit(request: Request) -> None:
    limits = cast(Limits, request.app.state.limits)
    limits.sign_in.take(request.client.host if request.client else "")


SignInLimit = Depends(_sign_in_limit)
"""For routes where secrets could be guessed."""


def _user(request: Request, services: ServicesDep, token: _TokenDep) -> User:
    user = _closing_user(request, services, token)
    check_open(services, user.id)
    return user


ClosingUserDep = Annotated[User, Depends(_closing_user)]
"""The caller, even if the account is being erased just now."""
UserDep = Annotated[User, Depends(_user)]
IdPath = Annotated[str, Path(pattern=ULID_PATTERN)]


def _owned(
    id: IdPath,  # noqa: A002
    request: Request,
    services: ServicesDep,
    token: _TokenDep,
) -> tuple[User, Album]:
    user = _user(request, services, token)
    album = services.albums.get(Album.key_of(user.id, id))
    if album is None:
        raise NotFound("there is no such album")
    return user, album


_OwnedDep = Annotated[tuple[User, Album], Depends(_owned)]


async def _owner(owned: _OwnedDep) -> User:
    return owned[0]


async def _album(owned: _OwnedDep) -> Album:
    return owned[1]


AlbumDep = Annotated[Album, Depends(_album)]
"""The album of the path parameter ``id``, if it is the caller's."""
OwnerDep = Annotated[User, Depends(_owner)]
"""The caller, whose album it is."""
