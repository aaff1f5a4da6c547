"""Tokens: verified through the issuer's JWKS, and issued by the local issuer.

The local issuer keeps Ed25519 keys in files, the newest of which signs; older ones stay published
until what they signed has expired. Cognito's tokens are verified by the same code.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from jwt import PyJWK, PyJWKClient
from jwt.algorithms import OKPAlgorithm
from ulid import ULID

from api.auth import Tokens, User
from api.errors import NotFound, Unauthorized
from api.ids import new_id
from api.keyring import write_secret
from api.settings import Settings

ROTATE_DAYS = 90
_LEEWAY_SECONDS = 10
_REMEMBERED = 1024
"""Tokens; some 2 MB."""
_SUBJECT = re.compile(r"[A-Za-z0-9_-]{1,128}")
_PLAIN = re.compile(r"[a-z0-9_-]{1,64}")


class JwtVerifier:
    """Verifies tokens of one issuer for one audience.

    Args:
        issuer: the ``iss`` that tokens must have.
        audience: the ``aud`` that they must have, or, as in Cognito's access tokens, ``client_id``.
        keys: the issuer's published keys; asked again for a key that is not among them.
        algorithms: what a signature may be made with; the token's own word on it counts for
            nothing.
    """

    def __init__(
        self, issuer: str, audience: str, keys: PyJWKClient, algorithms: tuple[str, ...]
    ) -> None:
        self._issuer = issuer
        self._audience = audience
        self._keys = keys
        self._algorithms = algorithms
        # A signature takes longer than most requests do otherwise, and whoever asks once asks
        # again with the same token.
        self._claims_of = lru_cache(_REMEMBERED)(self._decode)

    def verify(self, token: str) -> User:
        """The bearer of a token.

        Raises:
            Unauthorized: it is not by this issuer for this audience, has expired, or was altered.
        """
        try:
            header = jwt.get_unverified_header(token)
            if header.get("alg") not in self._algorithms or not isinstance(header.get("kid"), str):
                raise jwt.InvalidAlgorithmError
            claims = self._claims_of(token, self._keys.get_signing_key(header["kid"]))
            if int(claims["exp"]) <= time.time() - _LEEWAY_SECONDS:
                raise jwt.ExpiredSignatureError
        except jwt.ExpiredSignatureError:
            raise Unauthorized("the token has expired") from None
        except jwt.PyJWKClientConnectionError:
            raise Unauthorized("the issuer's keys cannot be had just now") from None
        except (jwt.PyJWTError, ValueError, TypeError):
            raise Unauthorized("the token is not valid") from None
        if not self._is_for_us(claims) or not _SUBJECT.fullmatch(claims["sub"]):
            raise Unauthorized("the token is not for this application")
        email = claims.get("email")
        return User(claims["sub"], email if isinstance(email, str) else None)

    def _decode(self, token: str, key: PyJWK) -> Mapping[str, Any]:
        """The claims, which hold as long as the key is published and until their end."""
        return MappingProxyType(
            jwt.decode(
                token,
                key,
                algorithms=self._algorithms,
                issuer=self._issuer,
                leeway=_LEEWAY_SECONDS,
                # Checked by `verify`: Cognito has the audience in one of two claims.
                options={"require": ["exp", "iat", "iss", "sub"], "verify_aud": False},
            )
        )

    def _is_for_us(self, claims: Mapping[str, Any]) -> bool:
        if claims.get("token_use", "access") not in ("access", "id"):
            return False
        audience = claims.get("aud", claims.get("client_id"))
        return self._audience in (audience if isinstance(audience, list) else [audience])


class CognitoTokens:
    """Tokens of a Cognito user pool: its access tokens or its id tokens."""

    def __init__(self, settings: Settings) -> None:
        if settings.jwt_issuer is None:
            raise ValueError("FACEFLOW_JWT_ISSUER is not set")
        issuer = settings.jwt_issuer.rstrip("/")
        url = settings.jwks_url or f"{issuer}/.well-known/jwks.json"
        keys = PyJWKClient(url, lifespan=3600, timeout=5)
        self._verifier = JwtVerifier(issuer, settings.jwt_audience, keys, ("RS256",))

    def verify(self, token: str) -> User:
        """The bearer of a token; see `JwtVerifier.verify`."""
        return self._verifier.verify(token)

    def issue(self, user: str) -> str:  # noqa: ARG002 - the port's
        """Cognito issues its tokens itself: always raises NotFound."""
        raise NotFound("this environment has an issuer of its own")


class LocalTokens:
    """The issuer of one machine, for people who have no other.

    Args:
        folder: where the keys are kept, each readable by its owner only.
    """

    def __init__(self, folder: Path, settings: Settings) -> None:
        self._folder = folder
        self._settings = settings
        self._issuer = settings.public_url.rstrip("/")
        if not self._newest() or _age_days(self._newest()) > ROTATE_DAYS:
            self.rotate()
        keys = _LocalKeys(self, f"{self._issuer}/.well-known/jwks.json")
        self._verifier = JwtVerifier(self._issuer, settings.jwt_audience, keys, ("EdDSA",))

    def verify(self, token: str) -> User:
        """The bearer of a token; see `JwtVerifier.verify`."""
        return self._verifier.verify(token)

    def issue(self, user: str) -> str:
        """A token for a user of any name; see `subject_of`."""
        moment = int(time.time())
        key_id, key = self._keys()[-1]
        claims = {
            "iss": self._issuer,
            "aud": self._settings.jwt_audience,
            "sub": subject_of(user),
            "iat": moment,
            "exp": moment + self._settings.token_seconds,
            "jti": new_id(),
            "token_use": "access",
        }
        if "@" in user:
            claims["email"] = user.strip()
        return jwt.encode(claims, key, algorithm="EdDSA", headers={"kid": key_id})

    def jwks(self) -> dict[str, Any]:
        """The public keys, as a JSON Web Key Set."""
        keys = []
        for key_id, key in self._keys():
            public = json.loads(OKPAlgorithm.to_jwk(key.public_key()))
            keys.append(public | {"kid": key_id, "use": "sig", "alg": "EdDSA"})
        return {"keys": keys}

    def rotate(self) -> str:
        """Sign with a new key from now on, and forget keys whose tokens have expired; returns the
        new key's id."""
        previous = self._newest()
        key_id = new_id()
        pem = Ed25519PrivateKey.generate().private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        )
        write_secret(self._folder / f"{key_id}.pem", pem)
        # A key signs until the next one is made: all but the last two have long been silent,
        # unless they were changed in haste.
        for path in self._paths():
            if previous and path.stem < previous and self._is_silent(path):
                path.unlink(missing_ok=True)
        return key_id

    def _is_silent(self, path: Path) -> bool:
        later = [other for other in self._paths() if other.stem > path.stem]
        replaced = min((other.stat().st_mtime for other in later), default=time.time())
        return time.time() - replaced > self._settings.token_seconds + _LEEWAY_SECONDS

    def _paths(self) -> list[Path]:
        return sorted(self._folder.glob("*.pem"))

    def _newest(self) -> str:
        paths = self._paths()
        return paths[-1].stem if paths else ""

    def _keys(self) -> list[tuple[str, Ed25519PrivateKey]]:
        keys = []
        for path in self._paths():
            key = load_pem_private_key(path.read_bytes(), password=None)
            if not isinstance(key, Ed25519PrivateKey):
                raise ValueError(f"{path.name} is no Ed25519 key")
            keys.append((path.stem, key))
        return keys


class _LocalKeys(PyJWKClient):
    """The issuer's keys without a way through the network; read anew for a key that is unknown."""

    def __init__(self, issuer: LocalTokens, url: str) -> None:
        super().__init__(url, lifespan=300, cooldown_duration=0)
        self._tokens = issuer

    def fetch_data(self) -> dict[str, Any]:
        return self._tokens.jwks()


def subject_of(user: str) -> str:
    """The subject of a user of the local issuer: the name itself if it can stand in a key, else
    one that is derived from it.

    >>> subject_of("alice")
    'alice'
    >>> subject_of("alice@example.com")
    'u-ff8d9819fc0e12bf0d24892e45987e24'
    """
    name = user.strip()
    if _PLAIN.fullmatch(name):
        return name
    # Capitals too: folders of users must differ where file names ignore case.
    return f"u-{hashlib.sha256(name.encode()).hexdigest()[:32]}"


def load_tokens(settings: Settings) -> Tokens:
    """Who tells users: the issuer of the settings, or in ``local`` the local one.

    Raises:
        ValueError: another environment names no issuer.
    """
    if settings.jwt_issuer is not None:
        return CognitoTokens(settings)
    if settings.app_env != "local":
        raise ValueError("FACEFLOW_JWT_ISSUER is not set: it has no default outside local")
    return LocalTokens(settings.data / "secrets" / "jwt", settings)


def _age_days(key_id: str) -> float:
    return (time.time() - ULID.from_str(key_id).timestamp) / 86400
