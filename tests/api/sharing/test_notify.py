"""Mails as jobs: news of live shares, refusals, retries, crashes."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime

import pytest
from booth import Booth

from api.domain.models import JobKind, JobState
from api.domain.share_models import MailState, Share
from api.errors import TooManyRequests, Unauthorized
from api.services import Services
from api.sharing.mailer import Mail, MailFailed
from api.sharing.notify import (
    News,
    forget_shares,
    photos_added,
    resume_mails,
    send_again,
    send_mail,
)
from api.sharing.passwords import FREE_TRIES, check_password
from api.sharing.shares import Recipient, ShareOptions, create_shares
from api.workflow.runner import LocalWorkflow, RunOptions


@dataclass
class Postman:
    """Remembers what it was given; ``failures`` are raised first, one a call."""

    sent: list[Mail] = field(default_factory=list)
    failures: list[MailFailed] = field(default_factory=list)

    def send(self, mail: Mail) -> None:
        if self.failures:
            raise self.failures.pop(0)
        if mail.message_id not in {one.message_id for one in self.sent}:
            self.sent.append(mail)

    def forget(self, prefix: str) -> None:
        self.sent = [one for one in self.sent if not one.message_id.startswith(prefix)]


@dataclass
class Office:
    services: Services
    workflow: LocalWorkflow
    postman: Postman
    booth: Booth

    def share(self, person: int = 0, **options: object) -> Share:
        recipient = Recipient("bob@example.com", (self.booth.cluster(person),))
        chosen = ShareOptions(**options)  # type: ignore[arg-type]
        album = self.booth.current()
        made = create_shares(self.services, self.workflow, album, "alice", [recipient], chosen)
        return made[0]

    def now(self, share: Share) -> Share:
        found = self.services.shares.get(share.key())
        assert found is not None
        return found

    def settle(self) -> None:
        assert self.workflow.idle(60)


@pytest.fixture
def office(services: Services, booth: Booth) -> Iterator[Office]:
    postman = Postman()
    with_postman = replace(services, mailer=postman)
    options = RunOptions(max_attempts=3, backoff_seconds=0.01, lease_seconds=2)
    workflow = LocalWorkflow(with_postman, {JobKind.MAIL: send_mail}, options)
    workflow.resume()
    yield Office(with_postman, workflow, postman, booth)
    workflow.stop()


def settled(office: Office, share: Share, job_state: JobState) -> Share:
    import time

    limit = time.monotonic() + 60
    while True:
        job = office.workflow.latest(JobKind.MAIL, share.album_id, share.id)
        if job is not None and job.state is job_state:
            return office.now(share)
        assert time.monotonic() < limit, job
        time.sleep(0.01)


def test_live_shares_are_told_once_of_what_is_theirs(office: Office) -> None:
    live, fixed = office.share(live=True), office.share(live=False)
    other = office.share(2, live=True)
    for share in (live, fixed, other):
        settled(office, share, JobState.DONE)
    assert len(office.postman.sent) == 3
    new = [office.booth.photo([0]), office.booth.photo([0, 1]), office.booth.photo([1])]
    office.booth.group()
    for _ in range(2):  # ingestion that was killed at its end says it again
        photos_added(office.services, office.workflow, office.booth.current(), new)
        office.settle()
    (news,) = office.postman.sent[3:]
    assert news.to == "bob@example.com" and "2 new photos" in news.text and live.id in news.text


def test_a_bounce_is_seen_and_sent_again_by_hand(office: Office) -> None:
    office.postman.failures = [MailFailed("550 no such user", permanent=True)]
    share = settled(office, office.share(), JobState.DONE)
    assert (share.mail_state, share.mail_error) == (MailState.BOUNCED, "550 no such user")
    assert office.postman.sent == []
    send_again(office.services, office.workflow, share)
    office.settle()
    share = office.now(share)
    assert (share.mail_state, share.mail_error) == (MailState.SENT, None)
    assert len(office.postman.sent) == 1


def test_a_server_that_is_down_is_tried_again(office: Office) -> None:
    office.postman.failures = [MailFailed("451 later", permanent=False)] * 2
    share = settled(office, office.share(), JobState.DONE)
    assert share.mail_state is MailState.SENT and len(office.postman.sent) == 1


def test_in_the_end_it_is_given_up(office: Office) -> None:
    office.postman.failures = [MailFailed("451 later", permanent=False)] * 3
    share = settled(office, office.share(), JobState.FAILED)
    assert (share.mail_state, share.mail_error) == (MailState.FAILED, "451 later")
    job = office.workflow.latest(JobKind.MAIL, share.album_id, share.id)
    assert job is not None and job.error == "451 later"
    office.workflow.retry(job)
    assert settled(office, share, JobState.DONE).mail_state is MailState.SENT


def test_a_crash_between_share_and_job_loses_no_mail(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(office.workflow, "start", crash)
        with pytest.raises(KeyboardInterrupt):
            office.share()
    (share,) = office.services.shares.all(f"ALBUM#{office.booth.album.id}")
    assert share.mail_state is MailState.PENDING
    resume_mails(office.services, office.workflow)
    assert settled(office, share, JobState.DONE).mail_state is MailState.SENT
    resume_mails(office.services, office.workflow)
    office.settle()
    assert len(office.postman.sent) == 1


def test_no_mail_if_none_is_wanted(office: Office) -> None:
    share = office.share(send_mail=False)
    office.settle()
    assert office.now(share).mail_state is MailState.NONE and office.postman.sent == []


def test_revoked_shares_send_nothing(office: Office) -> None:
    share = office.share(live=True)
    settled(office, share, JobState.DONE)
    office.services.shares.update(office.now(share), revoked=True)
    new = [office.booth.photo([0])]
    office.booth.group()
    photos_added(office.services, office.workflow, office.booth.current(), new)
    office.settle()
    assert len(office.postman.sent) == 1


def test_forgetting_leaves_nothing(office: Office) -> None:
    made = [office.share(), office.share(1)]
    for share in made:
        settled(office, share, JobState.DONE)
    album = office.booth.album
    assert forget_shares(office.services, album.id) == 2
    assert list(office.services.shares.all(f"ALBUM#{album.id}")) == []
    prefix = f"tenant/{album.user_id}/{album.id}/share/"
    assert list(office.services.objects.list_objects(prefix)) == []
    assert office.postman.sent == []


def test_guessing_all_at_once_gets_no_more_tries(office: Office) -> None:
    share = office.share(password="open sesame", send_mail=False)

    def guess(number: int) -> str:
        try:
            check_password(office.services, office.now(share), f"guess {number}")
        except Unauthorized:
            return "wrong"
        except TooManyRequests:
            return "locked"
        return "open"

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(guess, range(40)))
    assert answers.count("wrong") == FREE_TRIES and answers.count("locked") == 40 - FREE_TRIES
    locked = office.now(share)
    assert locked.locked_until is not None
    assert datetime.fromisoformat(locked.locked_until) > datetime.fromisoformat(share.created_at)


def test_news_as_text() -> None:
    news = News("01ARZ3NDEKTSV4RRFFQ69G5FAV", 12, "0123456789abcdef")
    assert News.parse(str(news)) == news
    assert News.parse(news.share_id) is None
