"""What the function of the HTTP API asks of AWS: what people do, over the routes, with the jobs
behind it in their own functions. That each asks for nothing but what tests/infra/uses.py has is
checked as the cloud is closed; that their policies allow it, in tests/infra."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient
from httpx2 import put

from api.jwt_tokens import load_tokens
from api.main import create_app
from api.settings import Settings
from tests.api.ingestion.conftest import photo_bytes
from tests.api.lambdas.cloud import Cloud


class Person:
    """Somebody who uses the application, which runs as the function ``api``."""

    def __init__(self, cloud: Cloud, folder: Path) -> None:
        tokens = load_tokens(Settings(data=folder / "issuer"))
        given = cloud.services.settings.model_copy(
            update={"sign_in_url": "https://sign-in.example"}
        )
        services = replace(cloud.services, tokens=tokens, settings=given)
        self._client = TestClient(create_app(services=services, workflow=cloud.workflow))
        self._headers = {"Authorization": f"Bearer {tokens.issue('alice')}"}

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        answer = self._client.request(method, path, headers=self._headers, json=body)
        assert answer.is_success, f"{method} {path}: {answer.text}"
        return answer.json() if answer.content else None

    def upload(self, album: str, data: bytes) -> str:
        """A photo in one piece."""
        body = {"filename": "a.jpg", "contentType": "image/jpeg", "size": len(data)}
        target = self.ask("POST", f"/albums/{album}/uploadUrl", body)
        self._send(target, data)
        self.ask("POST", f"/albums/{album}/photos/{target['photoId']}/complete")
        return str(target["photoId"])

    def upload_in_parts(self, album: str, data: bytes) -> None:
        """Once given up, once completed."""
        body = {"filename": "b.jpg", "contentType": "image/jpeg", "size": len(data)}
        for given_up in (True, False):
            path = f"/albums/{album}/uploads"
            path += f"/{self.ask('POST', path, body)['uploadId']}"
            (part,) = self.ask("POST", f"{path}/parts", {"numbers": [1]})["parts"]
            self._send(part, data)
            self.ask("GET", f"{path}/parts")
            self.ask("DELETE", path) if given_up else self.ask("POST", f"{path}/complete")

    @staticmethod
    def _send(target: dict[str, Any], data: bytes) -> None:
        assert put(target["url"], content=data, headers=target["headers"]).status_code == 200


def test_what_people_do_asks_for_nothing_unforeseen(cloud: Cloud, tmp_path: Path) -> None:
    alice = Person(cloud, tmp_path)
    album = alice.ask("POST", "/albums", {"name": "Summer"})["id"]
    path = f"/albums/{album}"
    photos = [alice.upload(album, photo_bytes(n, color=90 * (n % 3))) for n in range(5)]
    alice.upload_in_parts(album, photo_bytes(5, color=180))
    alice.ask("POST", f"{path}/process")
    with cloud.running():
        cloud.settle()
        assert alice.ask("GET", f"{path}/status")["state"] == "done"

        found = alice.ask("GET", f"{path}/clusters")["clusters"]
        first, second, third = (one["id"] for one in found)
        faces = [face["id"] for face in found[0]["faces"]]
        alice.ask("POST", f"{path}/clusters/{first}/label", {"name": "Zoë"})
        alice.ask("POST", f"{path}/clusters/{first}/split", {"faces": faces[1:]})
        alice.ask("POST", f"{path}/faces/{faces[0]}/reject", {"cluster": first})
        alice.ask("POST", f"{path}/clusters/merge", {"clusters": [second, third]})
        decision = alice.ask("GET", f"{path}/decisions")["decisions"][0]["id"]
        alice.ask("POST", f"{path}/decisions/{decision}/undo")
        for page in ("suggestions", "photos", "duplicates", "faces/unassigned", "jobs", "labels"):
            alice.ask("GET", f"{path}/{page}")
        alice.ask("GET", f"/photos/{photos[0]}")

        body = {"recipients": [{"email": "bob@example.com", "clusters": [third]}]}
        share = alice.ask("POST", f"{path}/share", body)["shares"][0]["id"]
        alice.ask("GET", f"/shares/{share}")
        alice.ask("POST", f"/shares/{share}/archive")
        cloud.settle()
        alice.ask("GET", f"/shares/{share}/archive/status")
        alice.ask("DELETE", f"/shares/{share}")
        alice.ask("PUT", "/me/consent", {"training": True})
        alice.ask("DELETE", f"/photos/{photos[0]}")
        receipt = alice.ask("DELETE", "/me")
        cloud.settle()
        assert alice.ask("GET", f"/receipts/{receipt['id']}")["state"] == "done"
    assert cloud.dead == []
    # Seen at all: those that are easily overlooked.
    seen = cloud.uses["api"]
    assert {"sagemaker:InvokeEndpoint", "s3:ListBucketVersions exports"} <= seen
    assert "ses:SendEmail" in cloud.uses["jobs"] and seen.isdisjoint({"ses:SendEmail"})
