"""Cognito's sign-in pages on the loopback interface: OAuth 2.0's code flow with PKCE, as its hosted
UI has it, and the keys of its user pool.

Strict where Cognito is: addresses are compared to the letter, a code is good once, a refresh token
too (rotation), and only for the client that it was made for.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from html import escape
from typing import Any
from urllib.parse import urlencode

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm
from werkzeug.utils import redirect
from werkzeug.wrappers import Request, Response

from tests.api.contract.loopback import Loopback

CLIENT_ID = "web-client"
USER, PASSWORD, SUBJECT = "ada@example.org", "Correct-horse-1", "5f0c7d1e-ada"
_COOKIE = "cognito"


@dataclass(frozen=True)
class Grant:
    """What a code stands for."""

    challenge: str
    redirect_uri: str
    nonce: str | None


class Issuer(Loopback):
    """A user pool with the user ada, and its sign-in pages.

    origin: of the application, whose addresses are registered.
    refreshed: how often a refresh token was used.
    """

    def __init__(self) -> None:
        self.origin = ""
        self.refreshed = 0
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._codes: dict[str, Grant] = {}
        self._refresh_tokens: set[str] = set()
        self._browsers: set[str] = set()
        self._routes: dict[tuple[str, str], Callable[[Request], Response]] = {
            ("GET", "/pool/.well-known/jwks.json"): self._keys,
            ("GET", "/oauth2/authorize"): self._authorize,
            ("POST", "/login"): self._log_in,
            ("POST", "/oauth2/token"): self._token,
            ("POST", "/oauth2/revoke"): self._revoke,
            ("GET", "/logout"): self._log_out,
        }
        super().__init__()

    @property
    def issuer(self) -> str:
        """The ``iss`` of its tokens."""
        return f"{self.url}/pool"

    def end_sessions(self) -> None:
        """As an administrator does: no refresh token is good any more."""
        self._refresh_tokens.clear()

    def _answer(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        request = Request(environ)
        route = self._routes.get((request.method, request.path))
        response = route(request) if route else Response("no such page", 404)
        return response(environ, start)

    def _keys(self, _: Request) -> Response:
        key = json.loads(RSAAlgorithm.to_jwk(self._key.public_key()))
        return _json({"keys": [key | {"kid": "one", "use": "sig", "alg": "RS256"}]})

    def _authorize(self, request: Request) -> Response:
        given = request.args
        wanted = {
            "client_id": CLIENT_ID,
            "redirect_uri": f"{self.origin}/signin/callback/",
            "response_type": "code",
            "code_challenge_method": "S256",
        }
        if any(given.get(name) != value for name, value in wanted.items()):
            return Response("redirect_mismatch or invalid_request", 400)
        if "openid" not in given["scope"].split() or not given["state"]:
            return Response("invalid_scope", 400)
        if request.cookies.get(_COOKIE) in self._browsers:
            return self._grant(given)
        fields = "".join(
            f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">'
            for name, value in given.items()
        )
        cancel = urlencode({"error": "access_denied", "state": given["state"]})
        page = (
            f'<title>Sign in</title><form method="post" action="/login">{fields}'
            '<label>Email <input name="username"></label>'
            '<label>Password <input name="password" type="password"></label>'
            "<button>Submit</button></form>"
            f'<a href="{escape(given["redirect_uri"])}?{cancel}">Cancel</a>'
        )
        return Response(page, mimetype="text/html")

    def _log_in(self, request: Request) -> Response:
        if (request.form["username"], request.form["password"]) != (USER, PASSWORD):
            return Response("Incorrect username or password.", 400)
        browser = secrets.token_urlsafe()
        self._browsers.add(browser)
        response = self._grant(request.form)
        response.set_cookie(_COOKIE, browser, httponly=True, samesite="Lax")
        return response

    def _grant(self, given: Any) -> Response:
        code = secrets.token_urlsafe()
        self._codes[code] = Grant(
            given["code_challenge"], given["redirect_uri"], given.get("nonce")
        )
        query = urlencode({"code": code, "state": given["state"]})
        return redirect(f"{given['redirect_uri']}?{query}")

    def _token(self, request: Request) -> Response:
        form = request.form
        if form.get("client_id") != CLIENT_ID:
            return _json({"error": "invalid_client"}, 400)
        if form["grant_type"] == "refresh_token":
            if form["refresh_token"] not in self._refresh_tokens:
                return _json({"error": "invalid_grant"}, 400)
            self._refresh_tokens.remove(form["refresh_token"])
            self.refreshed += 1
            return self._tokens(None)
        grant = self._codes.pop(form["code"], None)
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        challenge = urlsafe_b64encode(digest).rstrip(b"=").decode()
        if grant is None or (grant.challenge, grant.redirect_uri) != (
            challenge,
            form["redirect_uri"],
        ):
            return _json({"error": "invalid_grant"}, 400)
        return self._tokens(grant.nonce)

    def _tokens(self, nonce: str | None) -> Response:
        refresh = secrets.token_urlsafe()
        self._refresh_tokens.add(refresh)
        moment = int(time.time())
        claims = {"iss": self.issuer, "sub": SUBJECT, "iat": moment, "exp": moment + 3600}
        claims |= {"jti": secrets.token_urlsafe()}
        person = {"aud": CLIENT_ID, "token_use": "id", "email": USER}
        if nonce is not None:
            person["nonce"] = nonce
        return _json(
            {
                "id_token": self._signed(claims | person),
                "access_token": self._signed(
                    claims | {"client_id": CLIENT_ID, "token_use": "access"}
                ),
                "refresh_token": refresh,
                "token_type": "Bearer",
                "expires_in": 3600,
            }
        )

    def _signed(self, claims: dict[str, Any]) -> str:
        return jwt.encode(claims, self._key, "RS256", headers={"kid": "one"})

    def _revoke(self, request: Request) -> Response:
        self._refresh_tokens.discard(request.form["token"])
        return _json({})

    def _log_out(self, request: Request) -> Response:
        given = (request.args.get("client_id"), request.args.get("logout_uri"))
        if given != (CLIENT_ID, f"{self.origin}/"):
            return Response("invalid logout_uri", 400)
        self._browsers.discard(request.cookies.get(_COOKIE, ""))
        return redirect(f"{self.origin}/")


def _json(body: dict[str, Any], status: int = 200) -> Response:
    # Pages of public clients ask from elsewhere.
    headers = {"Access-Control-Allow-Origin": "*", "Cache-Control": "no-store"}
    return Response(json.dumps(body), status, headers, mimetype="application/json")
