"""Mails of shares, each sent by a job of its own: the link, and news of live shares."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from api.domain.models import Album, JobKind
from api.domain.share_models import MailState, Share
from api.errors import Conflict, Gone
from api.repositories.table import PRESENT, ConditionFailed, Expect, Index, Update
from api.services import Services
from api.settings import Settings
from api.sharing.contents import contents_of
from api.sharing.letters import Letter, added_mail, shared_mail
from api.sharing.mailer import MailFailed
from api.sharing.shares import has_expired, is_open, remove_objects
from api.workflow.context import JobContext, RetryLater
from api.workflow.workflow import Workflow

_NEWS = re.compile(r"(?P<share>\w{26})-(?P<photos>\d+)-(?P<digest>[0-9a-f]{16})")


@dataclass(frozen=True)
class News:
    """Photos that came to a live share, as the subject of a job.

    digest: of which photos they are, so that the same news is told once.
    """

    share_id: str
    photos: int
    digest: str

    def __str__(self) -> str:
        return f"{self.share_id}-{self.photos}-{self.digest}"

    @classmethod
    def parse(cls, subject: str) -> News | None:
        """The news of a job's subject; None: it is about the link of a share."""
        found = _NEWS.fullmatch(subject)
        return found and cls(found["share"], int(found["photos"]), found["digest"])


def share_link(settings: Settings, share_id: str) -> str:
    """Where a recipient sees the share."""
    return f"{settings.public_url.rstrip('/')}/share/?id={share_id}"


def photos_added(
    services: Services, workflow: Workflow, album: Album, photo_ids: Sequence[str]
) -> None:
    """Tell the recipients of live shares of new photos, each of those in their share.

    To be called once for all photos that came together, after their people are known. Calling it
    again for the same photos sends nothing new.
    """
    if not photo_ids:
        return
    for share in services.shares.all(f"ALBUM#{album.id}"):
        if not share.live or not is_open(share) or share.mail_state is not MailState.SENT:
            continue
        new = sorted(contents_of(services, album, share).members.intersection(photo_ids))
        if new:
            digest = hashlib.sha256("\n".join(new).encode()).hexdigest()[:16]
            subject = str(News(share.id, len(new), digest))
            workflow.start(JobKind.MAIL, share.user_id, share.album_id, subject)


def send_again(services: Services, workflow: Workflow, share: Share) -> Share:
    """Send the link once more.

    Raises:
        Gone: the share was revoked or has expired.
        Conflict: a mail is on its way.
    """
    if not is_open(share):
        raise Gone("this share has expired" if has_expired(share) else "this share was revoked")
    if share.mail_state is MailState.PENDING:
        raise Conflict("the mail is on its way")
    expect = Expect(True, {"mailRound": share.mail_round, "mailState": share.mail_state})
    try:
        share = services.shares.update(
            share,
            expect,
            mail_state=MailState.PENDING,
            mail_error=None,
            mail_round=share.mail_round + 1,
        )
    except ConditionFailed as error:
        raise Conflict("the mail is on its way") from error
    workflow.start(JobKind.MAIL, share.user_id, share.album_id, share.id)
    return share


def resume_mails(services: Services, workflow: Workflow) -> None:
    """Start the jobs of links that are due, in case a crash came between a share and its job."""
    due = list(services.shares.index_all(Index.GSI2, "SHARE#MAIL"))
    for share in due:
        workflow.start(JobKind.MAIL, share.user_id, share.album_id, share.id)


def send_mail(ctx: JobContext) -> None:
    """Handler of MAIL jobs; their subject is a share, or `News` of one.

    Raises:
        RetryLater: the mail could not be handed over now.
    """
    news = News.parse(ctx.job.subject)
    share_id = ctx.job.subject if news is None else news.share_id
    share = ctx.services.shares.get(Share.key_of(ctx.job.album_id, share_id))
    album = ctx.services.albums.get(Album.key_of(ctx.job.user_id, ctx.job.album_id))
    if share is None or album is None or not is_open(share):
        return
    if news is not None:
        _send_news(ctx.services, album, share, news)
    elif share.mail_state in (MailState.PENDING, MailState.FAILED):
        _send_link(ctx.services, album, share)


def _send_link(services: Services, album: Album, share: Share) -> None:
    photos = len(contents_of(services, album, share).photo_ids)
    letter = _letter(services, album, share, f"{share.id}.{share.mail_round}", photos)
    try:
        services.mailer.send(shared_mail(letter))
    except MailFailed as error:
        state = MailState.BOUNCED if error.permanent else MailState.FAILED
        _note(services, share, state, str(error))
        if not error.permanent:
            raise RetryLater(str(error)) from error
    else:
        _note(services, share, MailState.SENT, None)


def _send_news(services: Services, album: Album, share: Share, news: News) -> None:
    letter = _letter(services, album, share, f"{share.id}.new-{news.digest}", news.photos)
    try:
        services.mailer.send(added_mail(letter))
    except MailFailed as error:
        if not error.permanent:
            raise RetryLater(str(error)) from error
        _note(services, share, MailState.BOUNCED, str(error))


def _letter(services: Services, album: Album, share: Share, message_id: str, photos: int) -> Letter:
    return Letter(
        message_id=message_id,
        to=share.email,
        sender=share.sender or "Somebody",
        album=album.name,
        link=share_link(services.settings, share.id),
        photos=photos,
        expires_at=share.expires_at_iso,
        password=share.password_hash is not None,
    )


def _note(services: Services, share: Share, state: MailState, error: str | None) -> None:
    # If the link was asked for again meanwhile, that round's own job says what became of it.
    expect = Expect(True, {"mailRound": share.mail_round})
    try:
        services.shares.update(share, expect, mail_state=state, mail_error=error)
        key = Album.key_of(share.user_id, share.album_id)
        services.table.write(Update(key, add={"version": 1}, expect=PRESENT))
    except ConditionFailed:
        return


def forget_share(services: Services, share: Share) -> None:
    """Remove what there is of a share, its row last: for erasing an album or a user.

    To be called again after a crash, as long as the row is there.
    """
    remove_objects(services, share)
    services.mailer.forget(f"{share.id}.")
    services.shares.delete([share.key()])


def forget_shares(services: Services, album_id: str) -> int:
    """Remove all shares of an album; returns how many there were."""
    shares = list(services.shares.all(f"ALBUM#{album_id}"))
    for share in shares:
        forget_share(services, share)
    return len(shares)
