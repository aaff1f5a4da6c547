"""The web client: static files with the right caching, and a policy for what their scripts do."""

from __future__ import annotations

import base64
import hashlib
import os
import re
from functools import lru_cache
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from api.objects.signer import Signer, origin_of
from api.services import Services
from api.settings import Settings

_INLINE_SCRIPT = re.compile(
    rb"<script(?![^>]*\ssrc=)[^>]*>(.*?)</script>", re.DOTALL | re.IGNORECASE
)


class WebClient(StaticFiles):
    """The exported client. Names with a hash in them are cached for good, pages never."""

    def __init__(self, folder: Path, services: Services) -> None:
        super().__init__(directory=folder, html=True)
        settings = services.settings
        self._connect = _connect_sources(settings, services.signer)
        self._images = _sources("'self'", "data:", "blob:", services.signer.read_origin)
        self._secure = settings.public_url.startswith("https://")

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        # An API path that is mistyped is a problem, a page that is mistyped is a page.
        accepts = dict(scope["headers"]).get(b"accept", b"")
        if response.status_code == 404:
            if b"text/html" not in accepts:
                raise HTTPException(404)
            # The page that says so has styles and scripts like any other.
            self._permit(response, str(getattr(response, "path", "")))
        if path.startswith("_next/static/"):
            response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        else:
            response.headers["Cache-Control"] = "no-cache"
        return response

    def file_response(
        self,
        full_path: str | os.PathLike[str],
        stat_result: os.stat_result,
        scope: Scope,
        status_code: int = 200,
    ) -> Response:
        response = super().file_response(full_path, stat_result, scope, status_code)
        # "Not modified" needs it too: browsers replace the headers of what they have kept.
        self._permit(response, str(full_path))
        return response

    def _permit(self, response: Response, file: str) -> None:
        if file.endswith(".html"):
            hashes = _hashes_of_page(file, Path(file).stat().st_mtime_ns)
            response.headers["Content-Security-Policy"] = self._policy(hashes)

    def _policy(self, hashes: str) -> str:
        parts = [
            "default-src 'self'",
            f"script-src 'self' {hashes}".strip(),
            # Positions of virtual lists and boxes over faces are inline styles.
            "style-src 'self' 'unsafe-inline'",
            f"img-src {self._images}",
            f"connect-src {self._connect}",
            "worker-src 'self' blob:",
            "object-src 'none'",
            "base-uri 'none'",
            # Sign-in pages are gone to by navigating, which no policy is about.
            "form-action 'self'",
            "frame-ancestors 'none'",
        ]
        if self._secure:
            parts.append("upgrade-insecure-requests")
        return "; ".join(parts)


def _connect_sources(settings: Settings, signer: Signer) -> str:
    """Where scripts may ask: here, the issuer's tokens, storage, and the events of albums."""
    events = ["ws:", "wss:"] if settings.events_url is None else [origin_of(settings.events_url)]
    issuer = [] if settings.sign_in_url is None else [settings.sign_in_url]
    return _sources("'self'", *events, *issuer, signer.read_origin, signer.write_origin)


def _sources(*sources: str) -> str:
    return " ".join(dict.fromkeys(sources))


def script_hashes(page: bytes) -> str:
    """The inline scripts of a page as a policy names them."""
    scripts = _INLINE_SCRIPT.findall(page)
    digests = {base64.b64encode(hashlib.sha256(script).digest()).decode() for script in scripts}
    return " ".join(f"'sha256-{digest}'" for digest in sorted(digests))


@lru_cache(maxsize=256)
def _hashes_of_page(file: str, _mtime: int) -> str:
    return script_hashes(Path(file).read_bytes())


def web_folder(settings: Settings) -> Path | None:
    """Where the built web client is; None: it has not been built."""
    folder = settings.web or Path(__file__).parents[2] / "frontend" / "web" / "out"
    return folder if (folder / "index.html").is_file() else None
