"""One contract for every mailer; SMTP against a real server, with refusals and encryption; SES
against an emulator."""

from __future__ import annotations

import email
import email.policy
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from email.message import EmailMessage
from html.parser import HTMLParser
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from moto.core import DEFAULT_ACCOUNT_ID
from moto.ses.models import ses_backends

from api.repositories.sqlite_table import SqliteTable
from api.settings import Settings
from api.sharing.letters import Letter, added_mail, shared_mail
from api.sharing.mailer import Mail, Mailer, MailFailed
from api.sharing.mailers import mailer_of
from api.sharing.outbox_mailer import OutboxMailer
from api.sharing.ses_mailer import SesMailer
from api.sharing.smtp_mailer import SmtpMailer, SmtpServer
from tests.api.contract.emulator import REGION, Emulator

SENDER = "FaceFlow <photos@example.com>"


def letter(**changes: object) -> Letter:
    plain = Letter(
        message_id="01ARZ3NDEKTSV4RRFFQ69G5FAV.0",
        to="bob@example.com",
        sender="alice@example.com",
        album="Garden party",
        link="https://photos.example.com/share/?id=01ARZ3NDEKTSV4RRFFQ69G5FAV",
        photos=12,
        expires_at="2030-01-02T03:04:05.000000Z",
        password=True,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


@dataclass
class Postbox:
    """Takes mail by SMTP; ``refusals`` are what it says to recipients."""

    messages: list[bytes] = field(default_factory=list)
    refusals: dict[str, str] = field(default_factory=dict)
    encrypted: list[bool] = field(default_factory=list)
    data_reply: str = "250 OK"

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.refusals:
            return self.refusals[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        if self.data_reply.startswith("250"):
            self.messages.append(envelope.original_content or b"")
            self.encrypted.append(session.ssl is not None)
        return self.data_reply


@pytest.fixture
def postbox() -> Postbox:
    return Postbox()


@pytest.fixture
def server(postbox: Postbox) -> Iterator[SmtpServer]:
    controller = Controller(postbox, hostname="127.0.0.1", port=free_port(), enable_SMTPUTF8=True)
    controller.start()
    yield SmtpServer("127.0.0.1", controller.port, security="none", timeout=10)
    controller.stop()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Home:
    mailer: Mailer
    delivered: Callable[[], list[bytes]]
    any_alphabet: bool = True


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    running = Emulator()
    yield running
    running.stop()


@pytest.fixture
def ses(emulator: Emulator, tmp_path: Path) -> Iterator[Home]:
    emulator.client("sesv2").create_email_identity(EmailIdentity="example.com")
    sent = ses_backends[DEFAULT_ACCOUNT_ID][REGION].sent_messages
    before = len(sent)
    table = SqliteTable(tmp_path / "marks.db")
    mailer = SesMailer(emulator.client("sesv2"), SENDER, table)
    delivered = lambda: [one.raw_data.encode() for one in sent[before:]]  # noqa: E731
    yield Home(mailer, delivered, any_alphabet=False)
    table.close()


@pytest.fixture(params=["outbox", "smtp", "ses"])
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Home:
    if request.param == "ses":
        return request.getfixturevalue("ses")
    if request.param == "outbox":
        folder = tmp_path / "outbox"
        mailer = OutboxMailer(folder, SENDER)
        return Home(mailer, lambda: [path.read_bytes() for path in sorted(folder.glob("*.eml"))])
    postbox = request.getfixturevalue("postbox")
    server = request.getfixturevalue("server")
    return Home(SmtpMailer(server, SENDER, tmp_path / "sent"), lambda: postbox.messages)


def parsed(data: bytes) -> EmailMessage:
    message = email.message_from_bytes(data, policy=email.policy.default)
    assert isinstance(message, EmailMessage) and not message.defects
    return message


def body(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n")


def test_a_message_arrives_in_text_and_html(home: Home) -> None:
    mail = shared_mail(letter())
    home.mailer.send(mail)
    (data,) = home.delivered()
    message = parsed(data)
    assert message["From"] == SENDER and message["To"] == mail.to
    assert message["Subject"] == mail.subject
    assert message["Message-ID"] == f"<{mail.message_id}@example.com>"
    assert message["Date"] and message["Auto-Submitted"] == "auto-generated"
    assert body(message, "plain") == mail.text
    assert body(message, "html") == mail.html
    assert max(len(line) for line in data.splitlines()) <= 998


def test_the_same_message_arrives_once(home: Home) -> None:
    mail = shared_mail(letter())
    home.mailer.send(mail)
    home.mailer.send(mail)
    home.mailer.send(shared_mail(letter(message_id="01ARZ3NDEKTSV4RRFFQ69G5FAV.1")))
    assert len(home.delivered()) == 2


def test_forgotten_messages_may_be_sent_again(home: Home) -> None:
    mail = shared_mail(letter())
    other = shared_mail(letter(message_id="01ARZ3NDEKTSV4RRFFQ69G5FAW.0"))
    home.mailer.send(mail)
    home.mailer.send(other)
    home.mailer.forget("01ARZ3NDEKTSV4RRFFQ69G5FAV.")
    before = len(home.delivered())
    home.mailer.send(mail)
    home.mailer.send(other)
    assert len(home.delivered()) == before + 1
    with pytest.raises(ValueError, match="prefix"):
        home.mailer.forget("")


@pytest.mark.parametrize("to", ["nobody", "a@b\r\nBcc: eve@example.com", "@example.com"])
def test_impossible_addresses_bounce(home: Home, to: str) -> None:
    with pytest.raises(MailFailed) as failed:
        home.mailer.send(shared_mail(letter(to=to)))
    assert failed.value.permanent
    assert home.delivered() == []


def test_what_people_write_cannot_forge_headers_or_markup(home: Home) -> None:
    album = "x\r\nBcc: eve@example.com\r\n\r\n<script>alert(1)</script> ${link} & “ö”"
    home.mailer.send(shared_mail(letter(album=album, sender="<b>Eve</b>\n")))
    message = parsed(home.delivered()[0])
    assert message["Bcc"] is None
    html = body(message, "html")
    assert "<script" not in html and "<b>" not in html and "&lt;script&gt;" in html
    assert "${link} & “ö”" in body(message, "plain")


def test_addresses_of_any_alphabet(home: Home) -> None:
    home.mailer.send(shared_mail(letter(to="jurgen@bücher.example")))
    assert "jurgen@" in parsed(home.delivered()[0])["To"]
    if not home.any_alphabet:
        with pytest.raises(MailFailed) as failed:
            home.mailer.send(shared_mail(letter(to="jürgen@example.com", message_id="b.1")))
        assert failed.value.permanent
        return
    home.mailer.send(shared_mail(letter(to="jürgen@example.com", message_id="b.1")))
    assert parsed(home.delivered()[1])["To"] == "jürgen@example.com"


@pytest.mark.parametrize("message_id", ["", "../../x", "a/b", "a..b", ".a", "x" * 121, "a b"])
def test_message_ids_are_no_paths(message_id: str) -> None:
    with pytest.raises(ValueError, match="message id"):
        Mail(message_id, "a@example.com", "s", "t", "h")


@pytest.mark.parametrize(
    ("reply", "permanent"),
    [
        ("550 5.1.1 no such user", True),
        ("553 bad address", True),
        ("450 4.2.1 busy, try later", False),
        ("552 5.2.2 mailbox full", False),
    ],
)
def test_refused_recipients(
    postbox: Postbox, server: SmtpServer, tmp_path: Path, reply: str, permanent: bool
) -> None:
    postbox.refusals["bob@example.com"] = reply
    mailer = SmtpMailer(server, SENDER, tmp_path)
    with pytest.raises(MailFailed, match=reply[:3]) as failed:
        mailer.send(shared_mail(letter()))
    assert failed.value.permanent is permanent
    postbox.refusals.clear()
    mailer.send(shared_mail(letter()))
    assert len(postbox.messages) == 1, "what was refused is not taken for sent"


@pytest.mark.parametrize(("reply", "permanent"), [("554 spam", True), ("451 later", False)])
def test_refused_content(
    postbox: Postbox, server: SmtpServer, tmp_path: Path, reply: str, permanent: bool
) -> None:
    postbox.data_reply = reply
    with pytest.raises(MailFailed) as failed:
        SmtpMailer(server, SENDER, tmp_path).send(shared_mail(letter()))
    assert failed.value.permanent is permanent


def test_nobody_answers(tmp_path: Path) -> None:
    server = SmtpServer("127.0.0.1", free_port(), security="none", timeout=5)
    with pytest.raises(MailFailed, match="cannot be reached") as failed:
        SmtpMailer(server, SENDER, tmp_path).send(shared_mail(letter()))
    assert not failed.value.permanent


class Login:
    def __call__(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: object
    ) -> AuthResult:
        assert isinstance(data, LoginPassword)
        right = (data.login, data.password) == (b"user", b"secret")
        return AuthResult(success=right, handled=False)


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    files = ["-keyout", str(key), "-out", str(cert)]
    subprocess.run([*command.split(), *names, *files], check=True, capture_output=True)
    return key, cert


def test_starttls_and_login(
    postbox: Postbox, certificate: tuple[Path, Path], tmp_path: Path
) -> None:
    key, cert = certificate
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    controller = Controller(
        postbox,
        hostname="localhost",
        port=free_port(),
        tls_context=context,
        require_starttls=True,
        authenticator=Login(),
        auth_required=True,
    )
    controller.start()
    try:
        trusting = ssl.create_default_context(cafile=str(cert))
        right = SmtpServer(
            "localhost", controller.port, user="user", password="secret", context=trusting
        )
        SmtpMailer(right, SENDER, tmp_path / "a").send(shared_mail(letter()))
        assert postbox.encrypted == [True]
        wrong = replace(right, password="guess")
        with pytest.raises(MailFailed, match="535") as failed:
            SmtpMailer(wrong, SENDER, tmp_path / "b").send(shared_mail(letter()))
        assert not failed.value.permanent, "our login is no fault of the recipient"
        distrusting = replace(right, context=None)
        with pytest.raises(MailFailed, match="CERTIFICATE_VERIFY_FAILED"):
            SmtpMailer(distrusting, SENDER, tmp_path / "c").send(shared_mail(letter()))
        assert len(postbox.messages) == 1
    finally:
        controller.stop()


def test_without_starttls_nothing_is_sent(
    postbox: Postbox, server: SmtpServer, tmp_path: Path
) -> None:
    mailer = SmtpMailer(replace(server, security="starttls"), SENDER, tmp_path)
    with pytest.raises(MailFailed) as failed:
        mailer.send(shared_mail(letter()))
    assert not failed.value.permanent and postbox.messages == []


def test_settings_choose(tmp_path: Path) -> None:
    assert isinstance(mailer_of(Settings(data=tmp_path)), OutboxMailer)
    by_smtp = Settings(data=tmp_path, smtp_host="localhost")
    assert isinstance(mailer_of(by_smtp), SmtpMailer)
    with pytest.raises(ValueError, match="unencrypted"):
        mailer_of(
            Settings(data=tmp_path, smtp_host="localhost", smtp_security="none", smtp_user="me")
        )


class _Outline(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def test_letters_say_what_they_should() -> None:
    mail = shared_mail(letter())
    assert mail.subject == "alice@example.com shared photos with you: Garden party"
    assert "12 photos" in mail.text and "2 January 2030, 03:04 UTC" in mail.text
    plain = shared_mail(letter(photos=1, expires_at=None, password=False))
    assert "1 photo with" in plain.text
    assert "password" not in plain.text and "until" not in plain.text
    assert "1 new photo from" in added_mail(letter(photos=1)).text
    for made in (mail, plain, added_mail(letter())):
        outline = _Outline()
        outline.feed(made.html)
        names = [tag for tag, _ in outline.tags]
        assert names.count("h1") == names.count("title") == names.count("main") == 1
        assert ("html", {"lang": "en"}) in outline.tags
        # It loads nothing: no pictures, styles or scripts from anywhere.
        assert not {"img", "script", "link", "iframe"} & set(names) and "url(" not in made.html
        assert {dict(a)["href"] for t, a in outline.tags if t == "a"} == {letter().link}
        assert letter().link in made.text and "$" not in made.text + made.html
