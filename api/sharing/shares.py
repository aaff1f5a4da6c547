"""Making, finding, changing and revoking shares."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from email_validator import EmailNotValidError, validate_email

from api.domain.ledger import people_of
from api.domain.models import Album, JobKind, Photo
from api.domain.share_models import Archive, MailState, Share, ShareFilters
from api.errors import BadRequest, Gone, NotFound, Unauthorized
from api.ids import now
from api.objects import keys
from api.repositories.table import (
    ABSENT,
    PRESENT,
    TRANSACTION_LIMIT,
    ConditionFailed,
    Index,
    Update,
)
from api.services import Services
from api.sharing.contents import choose, current_people, keep_photos, photos_of, shown_photos
from api.sharing.once import Once, made_before, mark, share_id
from api.sharing.passwords import hash_password
from api.sharing.tokens import epoch, is_valid, new_secret, new_share_id
from api.workflow.workflow import Workflow

MAX_RECIPIENTS = TRANSACTION_LIMIT - 1
"""Of one request: their shares are made together or not at all."""
_SAMPLE = 12


@dataclass(frozen=True)
class Recipient:
    """Who gets a share, and of whom."""

    email: str
    clusters: tuple[str, ...]


@dataclass(frozen=True)
class ShareOptions:
    """What the shares of one request have in common; see `Share`.

    expires_at: a time with a zone; None: never.
    password: None: the link is enough.
    send_mail: send the link to the recipients.
    """

    filters: ShareFilters = field(default_factory=ShareFilters)
    expires_at: datetime | None = None
    password: str | None = None
    live: bool = False
    allow_download: bool = True
    keep_metadata: bool = False
    send_mail: bool = True


@dataclass(frozen=True)
class Preview:
    """What a share would hold: how many photos, and some of them from all over."""

    count: int
    sample: tuple[Photo, ...]


def create_shares(
    services: Services,
    workflow: Workflow,
    album: Album,
    sender: str,
    recipients: Sequence[Recipient],
    options: ShareOptions,
    once: Once | None = None,
) -> list[Share]:
    """One share for each recipient, in their order, and the jobs that mail the links.

    Args:
        once: the request, if it may come again: what it made before is returned as it is now.

    Raises:
        KeyReused: another request came with its key.
        BadRequest: nobody or too many, an address that is none, unknown people, or a time that is
            past; nothing is made.
        NotFound: the album is gone.
    """
    if not 1 <= len(recipients) <= MAX_RECIPIENTS:
        raise BadRequest(f"a request takes 1 to {MAX_RECIPIENTS} recipients")
    if once is not None and (made := made_before(services, album, once, len(recipients))):
        _start_mails(workflow, made)
        return made
    people = people_of(services, album)
    _check_clusters(services, album, options.filters.exclude_clusters, "excludeClusters")
    expiry = _expiry(options.expires_at)
    password_hash = None if options.password is None else hash_password(options.password)
    shares = []
    for number, recipient in enumerate(recipients):
        if options.filters.only_appearing and not recipient.clusters:
            raise BadRequest(f"recipients[{number}]: choose people, or the whole album")
        clusters = _check_clusters(services, album, recipient.clusters, f"recipients[{number}]")
        share = Share(
            id=new_share_id() if once is None else share_id(services, album, once, number),
            album_id=album.id,
            user_id=album.user_id,
            created_at=now(),
            email=_address(services, recipient.email, number),
            sender=sender,
            clusters=clusters,
            filters=options.filters,
            expires_at_iso=expiry,
            secret=new_secret(),
            password_hash=password_hash,
            allow_download=options.allow_download,
            keep_metadata=options.keep_metadata,
            live=options.live,
            mail_state=MailState.PENDING if options.send_mail else MailState.NONE,
            request=None if once is None else mark(services, once),
        )
        shares.append(share)
    if len({(share.email, share.clusters) for share in shares}) < len(shares):
        raise BadRequest("a recipient is named twice with the same people")
    for share in shares:
        if not share.live:
            photo_ids = choose(services, album, people, share.clusters, share.filters)
            keep_photos(services, share, photo_ids)
    grown = Update(album.key(), add={"version": 1}, expect=PRESENT)
    try:
        services.table.transact([grown, *(services.shares.put(s, ABSENT) for s in shares)])
    except ConditionFailed as error:
        # Unless the album is gone, the same request came twice at once.
        if once is not None and error.key != album.key():
            shares = made_before(services, album, once, len(recipients))
        else:
            shares = []
        if not shares:
            raise NotFound("there is no such album") from error
    _start_mails(workflow, shares)
    return shares


def _start_mails(workflow: Workflow, shares: Iterable[Share]) -> None:
    for share in shares:
        if share.mail_state is MailState.PENDING:
            workflow.start(JobKind.MAIL, share.user_id, share.album_id, share.id)


def preview(
    services: Services, album: Album, clusters: tuple[str, ...], filters: ShareFilters
) -> Preview:
    """What a share of these people would hold now.

    Raises:
        BadRequest: unknown people.
    """
    if filters.only_appearing and not clusters:
        raise BadRequest("choose people, or the whole album")
    _check_clusters(services, album, (*clusters, *filters.exclude_clusters), "clusters")
    photo_ids = choose(services, album, people_of(services, album), clusters, filters)
    step = max(len(photo_ids) / _SAMPLE, 1.0)
    picked = [photo_ids[int(k * step)] for k in range(min(len(photo_ids), _SAMPLE))]
    return Preview(len(photo_ids), tuple(shown_photos(services, album.id, picked)))


def find_share(services: Services, share_id: str) -> Share:
    """A share by its id alone, as it is now.

    Raises:
        NotFound: there is none.
    """
    page = services.shares.index_page(Index.GSI1, f"SHARE#{share_id}", limit=1)
    # The index may be behind: whether a share is revoked is read from the row itself.
    found = services.shares.get(page.records[0].key()) if page.records else None
    if found is None:
        raise NotFound("there is no such share")
    return found


def owned_share(services: Services, user_id: str, share_id: str) -> tuple[Share, Album]:
    """A user's own share.

    Raises:
        NotFound: there is none, or it is another's.
    """
    share = find_share(services, share_id)
    album = services.albums.get(Album.key_of(user_id, share.album_id))
    if share.user_id != user_id or album is None:
        raise NotFound("there is no such share")
    return share, album


def available_share(services: Services, share_id: str) -> tuple[Share, Album]:
    """A share that can be opened, with a password maybe.

    Raises:
        NotFound: there is none.
        Gone: it was revoked or has expired.
    """
    share = find_share(services, share_id)
    if share.revoked:
        raise Gone("this share was revoked")
    if has_expired(share):
        raise Gone("this share has expired")
    album = services.albums.get(Album.key_of(share.user_id, share.album_id))
    if album is None:
        raise NotFound("there is no such share")
    return share, album


def opened_share(services: Services, share_id: str, token: str | None) -> tuple[Share, Album]:
    """A share, for a recipient who may see it.

    token: what unlocking gave, if it has a password.

    Raises:
        NotFound, Gone: see `available_share`.
        Unauthorized: it needs a password first.
    """
    share, album = available_share(services, share_id)
    if share.password_hash is not None and not is_valid(share, "open", token):
        raise Unauthorized("this share needs its password", passwordRequired=True)
    return share, album


def has_expired(share: Share) -> bool:
    """Is its time over?"""
    return share.expires_at_iso is not None and share.expires_at_iso <= now()


def seconds_left(share: Share, most: int) -> int:
    """How long a URL that is given out now may be good: no longer than the share is."""
    if share.expires_at_iso is None:
        return most
    return max(1, min(most, int(epoch(share.expires_at_iso) - epoch(now()))))


def is_open(share: Share | None) -> bool:
    """Is it there for its recipient, password aside?"""
    return share is not None and not share.revoked and not has_expired(share)


@dataclass(frozen=True)
class ShareChanges:
    """What the owner changes: the members of ``given`` are set, the others are left alone."""

    given: frozenset[str]
    clusters: tuple[str, ...] = ()
    filters: ShareFilters = field(default_factory=ShareFilters)
    expires_at: datetime | None = None
    password: str | None = None
    live: bool = False
    allow_download: bool = True
    keep_metadata: bool = False


def change_share(services: Services, album: Album, share: Share, changes: ShareChanges) -> Share:
    """Change a share. One that is not live takes new photos if its people or filters change.

    Raises:
        BadRequest: unknown people, or a time that is past.
        Gone: it was revoked; make a new one.
    """
    if share.revoked:
        raise Gone("this share was revoked")
    new: dict[str, Any] = {
        name: getattr(changes, name)
        for name in ("live", "allow_download", "keep_metadata")
        if name in changes.given
    }
    if "filters" in changes.given:
        _check_clusters(services, album, changes.filters.exclude_clusters, "excludeClusters")
        new["filters"] = changes.filters
    if "clusters" in changes.given:
        new["clusters"] = _check_clusters(services, album, changes.clusters, "clusters")
    if "expires_at" in changes.given:
        new["expires_at_iso"] = _expiry(changes.expires_at)
    if "password" in changes.given:
        password = changes.password
        new["password_hash"] = None if password is None else hash_password(password)
        new |= {"secret": new_secret(), "wrong_tries": 0, "locked_until": None}
    wanted = share.model_copy(update=new)
    if wanted.filters.only_appearing and not wanted.clusters:
        raise BadRequest("choose people, or the whole album")
    chosen_anew = {"clusters", "filters"} & new.keys() or (share.live and not wanted.live)
    if not wanted.live and chosen_anew:
        keep_photos(services, share, photos_of(services, album, wanted))
    try:
        changed = services.shares.update(share, PRESENT, **new)
    except ConditionFailed as error:
        raise NotFound("there is no such share") from error
    _tell(services, album)
    return changed


def revoke_share(services: Services, album: Album, share: Share) -> None:
    """End a share and remove what was made for it; again: finish a revocation that was cut off."""
    if not share.revoked:
        try:
            services.shares.update(share, PRESENT, revoked=True)
        except ConditionFailed as error:
            raise NotFound("there is no such share") from error
    remove_objects(services, share)
    _tell(services, album)


def remove_objects(services: Services, share: Share) -> None:
    """Remove what was made for a share: archive, copies, list of photos."""
    services.archives.delete([Archive.key_of(share.album_id, share.id)])
    prefix = keys.share_prefix(share.user_id, share.album_id, share.id)
    services.objects.delete_prefix(prefix)


def list_shares(
    services: Services, album: Album, *, limit: int, cursor: str | None
) -> tuple[tuple[Share, ...], str | None]:
    """An album's shares and the cursor of the next page; their order is stable."""
    page = services.shares.page(f"ALBUM#{album.id}", limit=limit, cursor=cursor)
    return page.records, page.cursor


def count_view(services: Services, share: Share) -> None:
    """A recipient has opened it."""
    _count(services, share, "views", {"lastViewedAt": now()})


def count_download(services: Services, share: Share) -> None:
    """A recipient has begun to download a photo or the archive."""
    _count(services, share, "downloads", {})


def _count(services: Services, share: Share, name: str, changes: dict[str, str]) -> None:
    try:
        services.table.write(Update(share.key(), changes, {name: 1}, PRESENT))
    except ConditionFailed:
        return  # it is being removed


def _tell(services: Services, album: Album) -> None:
    try:
        services.table.write(Update(album.key(), add={"version": 1}, expect=PRESENT))
    except ConditionFailed:
        return  # it is being removed


def _check_clusters(
    services: Services, album: Album, clusters: tuple[str, ...], where: str
) -> tuple[str, ...]:
    """The same people by the ids they have now, each once."""
    found = current_people(people_of(services, album), clusters)
    unknown = [cluster for cluster, p in zip(clusters, found, strict=True) if p is None]
    if unknown:
        raise BadRequest(f"{where}: this album has no such people", unknown=unknown)
    return tuple(dict.fromkeys(person.id for person in found if person is not None))


def _address(services: Services, email: str, number: int) -> str:
    local = services.settings.app_env == "local"
    try:
        # No look-up: whether it can be delivered is seen when it is.
        found = validate_email(email, check_deliverability=False, test_environment=local)
    except EmailNotValidError as error:
        raise BadRequest(f"recipients[{number}].email: {error}") from error
    return found.normalized


def _expiry(moment: datetime | None) -> str | None:
    if moment is None:
        return None
    zoned = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    try:
        text = zoned.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    except OverflowError as error:
        raise BadRequest("expiresAt is beyond the calendar") from error
    if text <= now():
        raise BadRequest("expiresAt is in the past")
    return text
