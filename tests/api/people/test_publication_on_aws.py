"""From a correction over the routes to the step of the weekly pipeline that reads it, on AWS: the
schedule's message, the queue, the function of jobs, the bucket of the models; and back."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from pile import Pile, VectorsOnly, new_album
from test_corrections_export import people_of_size, with_pixels
from test_publication import same

from api.corrections import export_corrections
from api.domain.people import refresh
from api.jwt_tokens import load_tokens
from api.main import create_app
from api.published import pseudonyms
from api.settings import Settings
from pipelines.retraining.exchange import read_corrections
from pipelines.steps.corrections import check_corrections
from tests.api.lambdas.cloud import Cloud
from tests.api.lambdas.conftest import (
    account,
    cloud_settings,
    distribution_keys,
    emulator,
    interpreter,
    make_cloud,
)

__all__ = [
    "account",
    "cloud_settings",
    "distribution_keys",
    "emulator",
    "interpreter",
    "make_cloud",
]

USERS = ("ann", "bob", "cas")


class People:
    """Users with an album each, and what is in the bucket of the models."""

    def __init__(self, cloud: Cloud, folder: Path) -> None:
        self.cloud = cloud
        self._folder = folder
        tokens = load_tokens(Settings(data=folder / "issuer"))
        given = cloud.services.settings.model_copy(
            update={"sign_in_url": "https://sign-in.example"}
        )
        self.services = replace(cloud.services, tokens=tokens, settings=given)
        app = create_app(services=self.services, workflow=cloud.workflow)
        self.client = TestClient(app)
        self.headers = {user: {"Authorization": f"Bearer {tokens.issue(user)}"} for user in USERS}
        uri = cloud.account.settings.corrections_uri
        assert uri is not None
        self.bucket, _, self.place = uri.removeprefix("s3://").partition("/")

    def ask(self, user: str, method: str, path: str, body: Any = None) -> Any:
        answer = self.client.request(method, path, headers=self.headers[user], json=body)
        assert answer.is_success, answer.text
        return answer.json()

    def correct(self, user: str, seed: int) -> None:
        """An album in which two groups are said to be one person."""
        with self.cloud.unseen():
            pile = Pile(self.services, new_album(self.services, user=user), seed=seed, people=3)
            pile.photos(4)
            refresh(pile.services, pile.album)
            with_pixels(pile)
        path = f"/albums/{pile.album.id}/clusters/merge"
        self.ask(user, "POST", path, {"clusters": people_of_size(pile)[:2]})

    def consent(self, user: str, training: bool) -> None:
        self.ask(user, "PUT", "/me/consent", {"training": training})

    def night(self) -> None:
        """What the schedule of Terraform sends."""
        self.cloud.client("sqs").send_message(
            QueueUrl=self.cloud.queues["jobs"], MessageBody=json.dumps({"work": "corrections"})
        )

    def name(self, user: str) -> str:
        return pseudonyms(self.services.keyring, user)[0]

    def versions(self, user: str) -> int:
        """How many there are of the user's archive, the deleted included."""
        found = self.cloud.client("s3").list_object_versions(
            Bucket=self.bucket, Prefix=f"{self.place}/export/{self.name(user)}"
        )
        return len(found.get("Versions", [])) + len(found.get("DeleteMarkers", []))

    def downloaded(self, name: str) -> Path:
        """CorrectionsUri as a Processing job finds it."""
        s3, folder = self.cloud.client("s3"), self._folder / name
        for page in s3.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=f"{self.place}/"
        ):
            for found in page.get("Contents", []):
                file = folder / found["Key"].removeprefix(f"{self.place}/")
                file.parent.mkdir(parents=True, exist_ok=True)
                s3.download_file(self.bucket, found["Key"], str(file))
        return folder

    def gate(self, name: str) -> dict[str, Any]:
        """What the pipeline's first step says of it."""
        place = self.downloaded(name)
        check_corrections(place, self._folder / f"{name}-gate", needed=2)
        document: dict[str, Any] = json.loads((self._folder / f"{name}-gate/gate.json").read_text())
        return document


@pytest.fixture
def people(make_cloud: Callable[..., Cloud], tmp_path: Path) -> Iterator[People]:
    cloud = make_cloud(engine=VectorsOnly())
    with cloud.running():
        yield People(cloud, tmp_path)


def test_corrections_reach_the_pipeline_and_leave_it(people: People, tmp_path: Path) -> None:
    for seed, user in enumerate(USERS):
        people.correct(user, seed)
    people.consent("ann", True)
    people.consent("bob", True)
    people.night()
    people.cloud.settle()
    gate = people.gate("first")
    assert gate["train"] == 1 and gate["corrections"] == 2
    found = read_corrections(tmp_path / "first/export")
    assert {face.user for face in found.faces} == {people.name("ann"), people.name("bob")}
    export_corrections(people.services, tmp_path / "whole")
    same(found, read_corrections(tmp_path / "whole"))

    # Again, nothing is stored anew.
    before = people.versions("ann")
    people.night()
    people.cloud.settle()
    assert people.versions("ann") == before == 1

    people.consent("bob", False)
    people.cloud.settle()
    assert people.versions("bob") == 0
    assert people.gate("second")["reason"] == "skipped: 1 new corrections, 2 are needed"
    (left,) = {face.user for face in read_corrections(tmp_path / "second/export").faces}
    assert left == people.name("ann")

    # A busy machine may answer before it is done.
    people.client.delete("/me", headers=people.headers["ann"])
    people.cloud.settle()
    assert people.versions("ann") == 0
    assert people.gate("third")["corrections"] == 0
