"""How a browser is to treat what it gets."""

from __future__ import annotations

import re
from urllib.parse import quote


def disposition(filename: str | None) -> str:
    """Content-Disposition (RFC 6266): a download under this name; None: shown in place."""
    if filename is None:
        return "inline"
    plain = re.sub(r"[^A-Za-z0-9._ -]", "_", filename)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}"
