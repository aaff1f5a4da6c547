"""An account for Terraform to make things in: the emulator of the contract tests, with what moto
leaves out of the calls that the modules need."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx2
from moto.core import DEFAULT_ACCOUNT_ID
from moto.iam.models import iam_backends
from moto.s3.models import FakeBucket

from tests.api.contract.emulator import Emulator
from tests.infra import additions

_POLICIES = re.compile(r"/2020-05-31/(cache|response-headers)-policy(?:/([\w-]+))?")


class Account(Emulator):
    """Also takes CloudFront's policies of caches and headers, and bucket policies for everybody."""

    def __init__(self) -> None:
        self._policies: dict[str, tuple[str, str]] = {}
        self.lacking: set[str] = set()
        """Calls that nobody answers."""
        super().__init__()
        # moto keeps one state for a process, with what other accounts of its tests have left.
        httpx2.post(f"{self.url}/moto-api/reset", timeout=300).raise_for_status()
        # moto takes every principal of a policy for a map, but "*" is none.
        FakeBucket._log_permissions_enabled_policy = staticmethod(_may_log)
        # AWS's own policies, which moto loads where it is told to.
        os.environ["MOTO_IAM_LOAD_MANAGED_POLICIES"] = "true"
        iam = iam_backends[DEFAULT_ACCOUNT_ID]["aws"]
        iam.aws_managed_policies = iam._init_aws_policies()
        iam.managed_policies |= iam._init_managed_policies()
        additions.add()

    def _answer(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        found = _POLICIES.fullmatch(urlsplit(environ["RAW_URI"]).path)
        if found is None:
            try:
                return super()._answer(environ, start)
            except NotImplementedError as error:
                # As AWS refuses, so that nobody tries again and again.
                self.lacking.add(str(error))
                return _refuse(start, str(error))
        kind = "".join(map(str.title, found[1].split("-"))) + "Policy"
        length = int(environ.get("CONTENT_LENGTH") or 0)
        config = environ["wsgi.input"].read(length).decode()
        name = found[2] or str(uuid4())
        match environ["REQUEST_METHOD"]:
            case "POST" | "PUT":
                inner = re.sub(r"^<\?xml.*?\?>\s*", "", config)
                self._policies[name] = (kind, re.sub(r' xmlns="[^"]*"', "", inner, count=1))
            case "DELETE":
                self._policies.pop(name, None)
        if name not in self._policies:
            deleted = environ["REQUEST_METHOD"] == "DELETE"
            status = "204 No Content" if deleted else "404 Not Found"
            body = (
                ""
                if deleted
                else f"<ErrorResponse><Error><Code>NoSuch{kind}</Code></Error></ErrorResponse>"
            )
        else:
            status = "201 Created" if environ["REQUEST_METHOD"] == "POST" else "200 OK"
            body = (
                f"<{kind}><Id>{name}</Id><LastModifiedTime>2026-01-01T00:00:00Z"
                f"</LastModifiedTime>{self._policies[name][1]}</{kind}>"
            )
        data = body.encode()
        start(
            status,
            [
                ("Content-Type", "text/xml"),
                ("Content-Length", str(len(data))),
                ("ETag", "E1"),
                ("Location", f"{self.url}/2020-05-31/{found[1]}-policy/{name}"),
            ],
        )
        return [data]


def _refuse(start: Callable[..., Any], message: str) -> list[bytes]:
    data = json.dumps({"__type": "NotImplementedException", "message": message}).encode()
    start("400 Bad Request", [("Content-Type", "application/x-amz-json-1.1")])
    return [data]


def _may_log(target_bucket: Any, target_prefix: str | None) -> bool:
    text = target_bucket.policy
    policy = json.loads(text.decode()) if text else {"Statement": []}
    return any(
        isinstance(statement["Principal"], dict)
        and statement["Principal"].get("Service") == "logging.s3.amazonaws.com"
        for statement in policy["Statement"]
    )
