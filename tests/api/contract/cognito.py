"""A Cognito user pool of the emulator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.api.contract.emulator import REGION, Emulator

ALICE = "alice@example.com"
_PASSWORD = "Correct-horse-1"


@dataclass(frozen=True)
class Pool:
    """A user pool with a client."""

    cognito: Any
    id: str
    client_id: str
    jwks_url: str

    @property
    def issuer(self) -> str:
        """Who its tokens are from."""
        return f"https://cognito-idp.{REGION}.amazonaws.com/{self.id}"

    def add_user(self, email: str) -> None:
        """Somebody who can sign in."""
        attributes = [{"Name": "email", "Value": email}]
        self.cognito.admin_create_user(
            UserPoolId=self.id, Username=email, UserAttributes=attributes
        )
        self.cognito.admin_set_user_password(
            UserPoolId=self.id, Username=email, Password=_PASSWORD, Permanent=True
        )

    def sign_in(self, client_id: str | None = None, email: str = ALICE) -> dict[str, str]:
        """What somebody gets for their password."""
        answer = self.cognito.admin_initiate_auth(
            UserPoolId=self.id,
            ClientId=client_id or self.client_id,
            AuthFlow="ADMIN_USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": email, "PASSWORD": _PASSWORD},
        )
        tokens: dict[str, str] = answer["AuthenticationResult"]
        return tokens

    def new_client(self) -> str:
        """The id of another application of the pool."""
        answer = self.cognito.create_user_pool_client(UserPoolId=self.id, ClientName="web")
        return str(answer["UserPoolClient"]["ClientId"])


def make_pool(emulator: Emulator) -> Pool:
    """A pool with a client and the user alice."""
    cognito = emulator.client("cognito-idp")
    pool = cognito.create_user_pool(PoolName="faceflow", UsernameAttributes=["email"])
    pool_id = pool["UserPool"]["Id"]
    made = Pool(cognito, pool_id, "", f"{emulator.url}/{pool_id}/.well-known/jwks.json")
    made.add_user(ALICE)
    return Pool(cognito, pool_id, made.new_client(), made.jwks_url)
