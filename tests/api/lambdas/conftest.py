"""A cloud for each test, on one emulator."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from api.settings import Settings
from tests.api.conftest import CardEngine
from tests.api.contract.conftest import Account, account, distribution_keys, emulator
from tests.api.contract.emulator import Emulator
from tests.api.lambdas.cloud import Cloud, close_cloud, interpreted, open_cloud

__all__ = ["account", "distribution_keys", "emulator"]


@pytest.fixture(scope="session")
def interpreter(emulator: Emulator) -> Iterator[None]:
    """Step Functions executes."""
    with interpreted(emulator.url.rpartition(":")[2]):
        yield


@pytest.fixture
def cloud_settings(tmp_path: Path) -> Settings:
    """Settings of a function."""
    return Settings(
        app_env="dev",
        data=tmp_path,
        signing_keys=SecretStr("k" * 32),
        jwt_issuer="https://issuer.example",
        mail_from="FaceFlow <photos@example.com>",
        workers=1,
    )


@pytest.fixture
def make_cloud(
    account: Account,
    cloud_settings: Settings,
    interpreter: None,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Callable[..., Cloud]]:
    """Opens a cloud, with `CardEngine` unless told otherwise."""
    made: list[Cloud] = []

    def make(**options: object) -> Cloud:
        given = {"engine": CardEngine()} | options
        cloud = open_cloud(account, cloud_settings, monkeypatch.setattr, **given)  # type: ignore[arg-type]
        made.append(cloud)
        return cloud

    yield make
    for cloud in made:
        close_cloud(cloud)


@pytest.fixture
def cloud(make_cloud: Callable[..., Cloud]) -> Cloud:
    """A cloud whose state machine takes every batch for a small one."""
    return make_cloud()
