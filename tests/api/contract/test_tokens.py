from __future__ import annotations

import json
import stat
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)
from jwt.algorithms import RSAAlgorithm

from api.auth import Tokens, User
from api.errors import NotFound, Unauthorized
from api.jwt_tokens import CognitoTokens, LocalTokens, load_tokens, subject_of
from api.keyring import Keyring, load_keyring
from api.settings import Settings


class Pool:
    """What a Cognito user pool publishes, served by HTTP, and tokens as it signs them."""

    def __init__(self) -> None:
        pool = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                pool.asked += 1
                body = json.dumps(pool.published()).encode()
                self.send_response(200)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.asked = 0
        self.keys = {"one": rsa.generate_private_key(public_exponent=65537, key_size=2048)}
        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.issuer = f"http://127.0.0.1:{self.server.server_port}/pool"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def published(self) -> dict[str, Any]:
        keys = [
            json.loads(RSAAlgorithm.to_jwk(key.public_key()))
            | {"kid": key_id, "use": "sig", "alg": "RS256"}
            for key_id, key in self.keys.items()
        ]
        return {"keys": keys}

    def token(self, key_id: str = "one", algorithm: str = "RS256", **claims: object) -> str:
        moment = int(time.time())
        content = {
            "iss": self.issuer,
            "client_id": "faceflow",
            "sub": "a1-b2",
            "iat": moment,
            "exp": moment + 60,
            "token_use": "access",
        } | claims
        present = {name: value for name, value in content.items() if value is not None}
        return jwt.encode(present, self.keys[key_id], algorithm, headers={"kid": key_id})


@pytest.fixture
def pool() -> Iterator[Pool]:
    made = Pool()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def cognito(pool: Pool) -> CognitoTokens:
    return CognitoTokens(Settings(app_env="prod", jwt_issuer=pool.issuer))


@pytest.fixture
def local(tmp_path: Path) -> LocalTokens:
    tokens = load_tokens(Settings(data=tmp_path))
    assert isinstance(tokens, LocalTokens)
    return tokens


def refused(tokens: Tokens, token: str) -> bool:
    with pytest.raises(Unauthorized):
        tokens.verify(token)
    return True


def test_the_bearer_of_a_cognito_token(pool: Pool, cognito: CognitoTokens) -> None:
    assert cognito.verify(pool.token()) == User("a1-b2")
    id_token = pool.token(client_id=None, aud="faceflow", token_use="id", email="a@example.org")
    assert cognito.verify(id_token) == User("a1-b2", "a@example.org")
    assert pool.asked == 1


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://other.example"},
        {"client_id": "another"},
        {"client_id": None},
        {"aud": "another"},
        {"exp": 1},
        {"exp": None},
        {"iat": None},
        {"sub": None},
        {"sub": "../other"},
        {"sub": "a#b"},
        {"token_use": "refresh"},
        {"nbf": 4_000_000_000},
    ],
    ids=str,
)
def test_claims_that_are_refused(
    pool: Pool, cognito: CognitoTokens, claims: dict[str, object]
) -> None:
    assert refused(cognito, pool.token(**claims))


def test_algorithms_that_are_refused(pool: Pool, cognito: CognitoTokens) -> None:
    claims = jwt.decode(pool.token(), options={"verify_signature": False})
    pem = (
        pool.keys["one"].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    assert refused(cognito, jwt.encode(claims, None, "none", headers={"kid": "one"}))
    assert refused(cognito, pool.token(algorithm="RS512"))
    assert refused(cognito, pool.token(algorithm="PS256"))
    # The public key as a shared secret, the classic confusion.
    header = {"kid": "one", "alg": "HS256", "typ": "JWT"}
    import hashlib
    import hmac

    signed = b".".join(
        jwt.utils.base64url_encode(json.dumps(part).encode()) for part in (header, claims)
    )
    mac = jwt.utils.base64url_encode(hmac.new(pem, signed, hashlib.sha256).digest())
    assert refused(cognito, (signed + b"." + mac).decode())


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "ä.ö.ü", "e30.e30.", "." * 10_000])
def test_what_is_no_token_is_refused(cognito: CognitoTokens, local: Tokens, token: str) -> None:
    assert refused(cognito, token)
    assert refused(local, token)


def test_an_altered_token_is_refused(local: LocalTokens) -> None:
    head, body, signature = local.issue("alice").split(".")
    other = local.issue("bob").split(".")[1]
    assert refused(local, f"{head}.{other}.{signature}")
    assert refused(local, f"{head}.{body}.{signature[:-4]}AAAA")


def test_a_token_of_another_issuers_key_is_refused(pool: Pool, cognito: CognitoTokens) -> None:
    other = Pool()
    try:
        assert refused(cognito, other.token(iss=pool.issuer))
    finally:
        other.server.shutdown()
        other.server.server_close()


def test_a_key_that_is_new_is_fetched(pool: Pool, cognito: CognitoTokens) -> None:
    cognito.verify(pool.token())
    pool.keys["two"] = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    # Unknown ids must not make us ask the issuer each time.
    assert refused(cognito, pool.token("two"))
    assert pool.asked == 1
    cognito._verifier._keys.cooldown_duration = 0
    assert cognito.verify(pool.token("two")) == User("a1-b2")
    assert pool.asked == 2


def test_without_the_issuer_nobody_gets_in(pool: Pool, cognito: CognitoTokens) -> None:
    pool.server.shutdown()
    pool.server.server_close()
    assert refused(cognito, pool.token())


def test_cognito_issues_its_tokens_itself(cognito: CognitoTokens) -> None:
    with pytest.raises(NotFound):
        cognito.issue("alice")


def test_the_local_issuer_speaks_for_anyone(local: LocalTokens) -> None:
    assert local.verify(local.issue("alice")) == User("alice")
    bearer = local.verify(local.issue("Alice@example.com"))
    assert bearer == User(subject_of("Alice@example.com"), "Alice@example.com")
    assert local.verify(local.issue("Alice")).id != "alice"
    assert local.verify(local.issue("../../bob")).id.startswith("u-")


def test_local_tokens_outlive_the_process_and_expire(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path, token_seconds=60)
    token = LocalTokens(tmp_path / "jwt", settings).issue("alice")
    again = LocalTokens(tmp_path / "jwt", settings)
    assert again.verify(token) == User("alice")
    past = jwt.decode(token, options={"verify_signature": False}) | {"exp": int(time.time()) - 30}
    (key_file,) = (tmp_path / "jwt").glob("*.pem")
    key = load_pem_private_key(key_file.read_bytes(), None)
    old = jwt.encode(past, key, "EdDSA", headers={"kid": key_file.stem})  # type: ignore[arg-type]
    assert refused(again, old)


def test_keys_of_the_local_issuer_rotate(local: LocalTokens) -> None:
    before = local.issue("alice")
    kept = {key["kid"] for key in local.jwks()["keys"]}
    new = local.rotate()
    after = local.issue("alice")
    assert jwt.get_unverified_header(after)["kid"] == new
    assert {key["kid"] for key in local.jwks()["keys"]} == kept | {new}
    assert local.verify(before) == local.verify(after) == User("alice")


def test_a_remembered_token_ends_with_its_time_and_with_its_key(
    local: LocalTokens, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[str] = []
    decode = jwt.decode

    def counted(token: str, *args: Any, **options: Any) -> Any:
        decoded.append(token)
        return decode(token, *args, **options)

    monkeypatch.setattr("jwt.decode", counted)
    token = local.issue("alice")
    assert [local.verify(token) for _ in range(3)] == [User("alice")] * 3
    assert decoded == [token]
    later = time.time() + 86400
    with monkeypatch.context() as patch:
        patch.setattr("api.jwt_tokens.time.time", lambda: later)
        with pytest.raises(Unauthorized, match="expired"):
            local.verify(token)
    assert local.verify(token) == User("alice")
    keys = local._verifier._keys
    monkeypatch.setattr(keys, "get_signing_keys", lambda refresh=False: [])
    with pytest.raises(Unauthorized, match="not valid"):
        local.verify(token)


def test_published_keys_hold_no_secret(local: LocalTokens) -> None:
    assert all("d" not in key for key in local.jwks()["keys"])


def test_secrets_are_readable_by_their_owner_only(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path)
    load_tokens(settings)
    first = load_keyring(settings)
    files = [path for path in (tmp_path / "secrets").rglob("*") if path.is_file()]
    assert len(files) == 2
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in files)
    signature = first.sign("purpose", "message")
    assert load_keyring(settings).is_valid("purpose", "message", signature)
    assert not first.is_valid("other", "message", signature)


@pytest.mark.parametrize("environment", ["dev", "prod"])
def test_no_secret_has_a_default_outside_local(tmp_path: Path, environment: str) -> None:
    settings = Settings(data=tmp_path, app_env=environment)
    with pytest.raises(ValueError, match="FACEFLOW_SIGNING_KEYS"):
        load_keyring(settings)
    with pytest.raises(ValueError, match="FACEFLOW_JWT_ISSUER"):
        load_tokens(settings)
    with pytest.raises(ValueError, match="32 bytes"):
        load_keyring(settings.model_copy(update={"signing_keys": _secret("short")}))


def test_signing_keys_rotate() -> None:
    old, new = b"o" * 32, b"n" * 32
    signature = Keyring([old]).sign("p", "m")
    assert Keyring([new, old]).is_valid("p", "m", signature)
    assert not Keyring([new]).is_valid("p", "m", signature)
    assert not Keyring([new]).is_valid("p", "m", "ä")


def _secret(text: str) -> Any:
    from pydantic import SecretStr

    return SecretStr(text)
