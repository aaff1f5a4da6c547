"""The OpenAPI document to read and try, without a network: its viewer comes with a package."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Literal

from fastapi import APIRouter, Response
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import FileResponse

from api.server.web import script_hashes

router = APIRouter(include_in_schema=False)

_VIEWER = Path(str(files("fastapi_offline"))) / "static"


@router.get("/docs")
def get_docs() -> Response:
    """The viewer's page."""
    page = get_swagger_ui_html(
        openapi_url="/openapi.json",
        title="FaceFlow API",
        swagger_js_url="/docs/swagger-ui-bundle.js",
        swagger_css_url="/docs/swagger-ui.css",
        swagger_favicon_url="/docs/favicon.png",
    )
    policy = (
        f"default-src 'none'; script-src 'self' {script_hashes(bytes(page.body))};"
        " style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self';"
        " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return Response(page.body, media_type="text/html", headers={"Content-Security-Policy": policy})


@router.get("/docs/{name}")
def get_docs_file(
    name: Literal["swagger-ui-bundle.js", "swagger-ui.css", "favicon.png"],
) -> FileResponse:
    """A file of the viewer."""
    return FileResponse(_VIEWER / name, headers={"Cache-Control": "public, max-age=86400"})
