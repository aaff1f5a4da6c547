"""AWS on the loopback interface: moto's server, with what it leaves out and the contracts need.

- Requests are handled one after the other, as their atomicity demands: moto's own server lets two
  conditional writes pass between each other's check and write, and undoes a failed transaction
  together with what others wrote meanwhile.
- Presigned URLs are checked: signature, signed headers, end. moto takes any.
- A range in other units than bytes is ignored. moto takes it for bytes.
- A part of an upload that does not exist, or is of another key, is refused. moto fails.
- Lambda functions are Python functions of this process, see `Emulator.functions`, and run beside
  other requests: they make some themselves.
"""

from __future__ import annotations

import hmac
import json
import logging
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from threading import Lock, Thread
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import boto3
from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from moto.core import DEFAULT_ACCOUNT_ID
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from moto.s3.models import s3_backends
from werkzeug.serving import make_server

REGION = "eu-central-1"
ACCESS_KEY, SECRET_KEY = "AKIAEMULATOR00000000", "emulator-secret"

_INVOKE = re.compile(r"/2015-03-31/functions/([^/]+)/invocations")

Function = Callable[[Any], Any]
Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class Emulator:
    """The server; ``url`` is the endpoint of every service.

    functions: Lambda functions by name. What they raise is told as Lambda tells it.
    answered: how many requests, by what they asked for.
    """

    def __init__(self) -> None:
        # A line for each request takes longer than many a request.
        logging.getLogger("werkzeug").setLevel(logging.WARNING)
        self.functions: dict[str, Function] = {}
        self.answered: Counter[str] = Counter()
        self._moto: Wsgi = DomainDispatcherApplication(create_backend_app)
        self._turn = Lock()
        self._server = make_server(
            "127.0.0.1", 0, self._answer, threaded=True, request_handler=MotoRequestHandler
        )
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def client(self, service: str, **config: Any) -> Any:
        """boto3's client of a service here."""
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            config=Config(
                retries={"mode": "standard", "max_attempts": 3},
                max_pool_connections=32,
                connect_timeout=60,
                read_timeout=300,
            ).merge(Config(**config)),
        )

    def stop(self) -> None:
        """End it; what it keeps is lost."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _answer(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        invoked = _INVOKE.fullmatch(unquote(urlsplit(environ["RAW_URI"]).path))
        if invoked is not None:
            return self._invoke(invoked[1].rpartition(":")[2], environ, start)
        self.answered[_asked(environ)] += 1
        query = parse_qs(urlsplit(environ["RAW_URI"]).query, keep_blank_values=True)
        if not environ.get("HTTP_RANGE", "bytes=").startswith("bytes="):
            del environ["HTTP_RANGE"]
        with self._turn:
            # Browsers ask beforehand whether they may; S3 looks at no signature then.
            is_asking = environ["REQUEST_METHOD"] == "OPTIONS"
            if "X-Amz-Signature" in query and not is_asking and not _is_signed(environ, query):
                return _refuse(start, "403 Forbidden", "SignatureDoesNotMatch")
            if "uploadId" in query and not _is_under_way(environ, query["uploadId"][0]):
                return _refuse(start, "404 Not Found", "NoSuchUpload")
            return list(self._moto(environ, start))

    def _invoke(
        self, name: str, environ: dict[str, Any], start: Callable[..., Any]
    ) -> Iterable[bytes]:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        headers = [("Content-Type", "application/json")]
        try:
            answer = self.functions[name](json.loads(body))
        except Exception as error:  # noqa: BLE001 - as Lambda does
            headers.append(("X-Amz-Function-Error", "Unhandled"))
            answer = {"errorType": type(error).__name__, "errorMessage": str(error)}
        start("200 OK", headers)
        return [json.dumps(answer).encode()]


def _asked(environ: dict[str, Any]) -> str:
    """What a request asks for: an action of a service, or a method of S3's."""
    service, _, action = environ.get("HTTP_X_AMZ_TARGET", "").rpartition(".")
    return f"{service.partition('_')[0]} {action}" if action else f"S3 {environ['REQUEST_METHOD']}"


def _is_signed(environ: dict[str, Any], query: dict[str, list[str]]) -> bool:
    """Is the presigned URL genuine and still good, and are the signed headers as they were?"""
    date, seconds = query["X-Amz-Date"][0], int(query["X-Amz-Expires"][0])
    began = datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    if time.time() > began + seconds:
        return False
    uri, _, given = environ["RAW_URI"].partition("&X-Amz-Signature=")
    sent = {
        name.removeprefix("HTTP_").replace("_", "-").lower(): value
        for name, value in environ.items()
        if name.startswith("HTTP_") or name in ("CONTENT_TYPE", "CONTENT_LENGTH")
    }
    headers = {}
    for name in query["X-Amz-SignedHeaders"][0].split(";"):
        if name not in sent:
            return False
        headers[name] = sent[name]
    url = f"http://{sent['host']}{uri}"
    request = AWSRequest(environ["REQUEST_METHOD"], url, headers=headers)
    request.context["timestamp"] = date
    signer = S3SigV4QueryAuth(Credentials(ACCESS_KEY, SECRET_KEY), "s3", REGION)
    text = signer.string_to_sign(request, signer.canonical_request(request))
    return hmac.compare_digest(signer.signature(text, request), given)


def _is_under_way(environ: dict[str, Any], upload: str) -> bool:
    """Is there such an upload of this key?"""
    path = unquote(urlsplit(environ["RAW_URI"]).path)
    bucket, _, key = path.lstrip("/").partition("/")
    found = s3_backends[DEFAULT_ACCOUNT_ID]["aws"].get_bucket(bucket).multiparts.get(upload)
    return found is not None and found.key_name == key


def _refuse(start: Callable[..., Any], status: str, code: str) -> list[bytes]:
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{code}</Message></Error>"
    start(status, [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
    return [body.encode()]
