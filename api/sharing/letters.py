"""What the mails of shares say. All of their text is here.

A mail holds a link and no photo: who reads along in a mailbox sees nobody's face, and a share that
is revoked leaves nothing behind. It loads nothing from anywhere.
"""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from string import Template

from api.sharing.mailer import Mail


@dataclass(frozen=True)
class Letter:
    """What a mail is about.

    sender: how the owner of the photos is called.
    photos: how many there are to see, or how many came.
    expires_at: ISO 8601; None: the link does not end.
    """

    message_id: str
    to: str
    sender: str
    album: str
    link: str
    photos: int
    expires_at: str | None
    password: bool


_SUBJECT_SHARED = "$sender shared photos with you: $album"
_SUBJECT_ADDED = "New photos from $sender: $album"
_SHARED = "$sender shared $photos with you from the album “$album”."
_ADDED = "There are $photos from $sender for you in the album “$album”."
_BUTTON = "See the photos"
_PASSWORD = "You need a password to open them. $sender will tell you what it is."
_EXPIRES = "The link works until $date."
_FOOTER = (
    "The link is yours alone: whoever has it can see these photos. "
    "If you do not know $sender, you can ignore this mail."
)
_NEW_PHOTO, _NEW_PHOTOS = "1 new photo", "$number new photos"
_PHOTO, _PHOTOS, _NO_PHOTOS = "1 photo", "$number photos", "photos"

_TEXT = Template(
    """\
$lead

$button:
$link

$notes$footer
"""
)

_HTML = Template(
    """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>$subject</title>
</head>
<body style="margin:0;padding:24px;font:16px/1.5 system-ui,sans-serif">
<main style="max-width:34em;margin:0 auto">
<h1 style="font-size:20px;line-height:1.3">$subject</h1>
<p>$lead</p>
<p><a href="$link" style="display:inline-block;padding:12px 20px;border-radius:8px;\
background:#1a56b0;color:#ffffff;text-decoration:none;font-weight:600">$button</a></p>
$notes<p style="font-size:14px">$footer</p>
<p style="font-size:14px;overflow-wrap:anywhere"><a href="$link">$link</a></p>
</main>
</body>
</html>
"""
)


def shared_mail(letter: Letter) -> Mail:
    """The first mail of a share."""
    photos = _NO_PHOTOS if letter.photos == 0 else _counted(_PHOTO, _PHOTOS, letter.photos)
    return _mail(letter, _SUBJECT_SHARED, _SHARED, photos)


def added_mail(letter: Letter) -> Mail:
    """A live share has new photos."""
    return _mail(letter, _SUBJECT_ADDED, _ADDED, _counted(_NEW_PHOTO, _NEW_PHOTOS, letter.photos))


def _mail(letter: Letter, subject: str, lead: str, photos: str) -> Mail:
    values = {
        "sender": _one_line(letter.sender),
        "album": _one_line(letter.album),
        "photos": photos,
    }
    notes = []
    if letter.password:
        notes.append(_filled(_PASSWORD, values))
    if letter.expires_at is not None:
        notes.append(_filled(_EXPIRES, {"date": _day(letter.expires_at)}))
    said = {
        "subject": _filled(subject, values),
        "lead": _filled(lead, values),
        "button": _BUTTON,
        "link": letter.link,
        "footer": _filled(_FOOTER, values),
    }
    escaped = {name: html.escape(value) for name, value in said.items()}
    return Mail(
        message_id=letter.message_id,
        to=letter.to,
        subject=said["subject"],
        text=_TEXT.substitute(said, notes="".join(f"{note}\n\n" for note in notes)),
        html=_HTML.substitute(
            escaped, notes="".join(f"<p>{html.escape(note)}</p>\n" for note in notes)
        ),
    )


def _filled(text: str, values: Mapping[str, str]) -> str:
    return Template(text).substitute(values)


def _counted(one: str, many: str, number: int) -> str:
    return one if number == 1 else _filled(many, {"number": f"{number:,}"})


def _day(moment: str) -> str:
    day = datetime.fromisoformat(moment)
    return f"{day.day} {day:%B %Y, %H:%M} UTC"


def _one_line(text: str) -> str:
    """People's text for a header or a sentence: no line breaks, no control characters, not long."""
    kept = "".join(c if unicodedata.category(c)[0] not in "CZ" else " " for c in text)
    line = " ".join(kept.split())
    return line if len(line) <= 100 else line[:99] + "…"
