"""A server that obeys the containers' contract, for tests of deployment.

``fake_server.py serve --port N --model-dir DIR``: what it answers is in ``DIR/fake.json``.
"""

from __future__ import annotations

import http.server
import json
import sys
from pathlib import Path
from typing import Any


def make_handler(model: dict[str, Any]) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.answer(200, {})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if model.get("broken"):
                self.answer(500, {"error": "broken"})
                return
            vector = [0.0] * 512
            # Of the image's size alone: enough to tell images apart.
            vector[len(body) % 512] = model.get("length", 1.0)
            self.answer(
                200,
                {
                    "embeddings": [vector],
                    "faces": [{"box": [0, 0, 9, 9], "score": 0.9}],
                    "contract_id": model["contract_id"],
                },
            )

        def answer(self, status: int, document: dict[str, Any]) -> None:
            body = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    return Handler


def main(words: list[str]) -> None:
    options = dict(zip(words[1::2], words[2::2], strict=True))
    model = json.loads((Path(options["--model-dir"]) / "fake.json").read_text())
    if model.get("dead"):
        sys.exit("the model cannot be loaded")
    address = ("127.0.0.1", int(options["--port"]))
    http.server.ThreadingHTTPServer(address, make_handler(model)).serve_forever()


if __name__ == "__main__":
    main(sys.argv[1:])
