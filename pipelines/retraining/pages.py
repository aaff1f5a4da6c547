"""Reports as one HTML page that needs nothing beside it: tables, and pictures as data URLs."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from pathlib import Path

from faceflow_ml.files import atomic_write_text

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1c1f23; background: #fff; margin: 2rem auto;
  max-width: 64rem; padding: 0 1.5rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
table { border-collapse: collapse; margin: .8rem 0; }
th, td { text-align: left; padding: .3rem 1.2rem .3rem 0; border-bottom: 1px solid #e3e6e8;
  font-variant-numeric: tabular-nums; }
th { font-weight: 600; color: #555d66; } img { max-width: 100%; } .bad { color: #a3301a; }
p.lead { font-size: 1.05rem; }
"""


class Page:
    """Collects sections and writes them."""

    def __init__(self, title: str, lead: str) -> None:
        self._title = title
        self._parts = [f"<h1>{html.escape(title)}</h1>", f'<p class="lead">{html.escape(lead)}</p>']

    def heading(self, text: str) -> None:
        """Begin a section."""
        self._parts.append(f"<h2>{html.escape(text)}</h2>")

    def text(self, text: str) -> None:
        """A paragraph."""
        self._parts.append(f"<p>{html.escape(text)}</p>")

    def table(self, names: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """A table, or a word that it would be empty."""
        if not rows:
            self.text("None.")
            return
        head = "".join(f"<th>{html.escape(name)}</th>" for name in names)
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>"
            for row in rows
        )
        self._parts.append(f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>")

    def picture(self, file: Path, description: str) -> None:
        """A PNG or JPEG."""
        kind = "jpeg" if file.suffix == ".jpg" else "png"
        data = base64.b64encode(file.read_bytes()).decode("ascii")
        alt = html.escape(description, quote=True)
        self._parts.append(f'<img alt="{alt}" src="data:image/{kind};base64,{data}">')

    def write(self, file: Path) -> None:
        """Write the page."""
        body = "\n".join(self._parts)
        atomic_write_text(
            file,
            "<!doctype html>\n"
            f'<html lang="en"><head><meta charset="utf-8"><title>{html.escape(self._title)}</title>'
            f"<style>{_STYLE}</style></head><body>\n{body}\n</body></html>\n",
        )
