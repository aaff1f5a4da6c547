"""An empty account, and deployers in it."""

from __future__ import annotations

import urllib.request
from collections.abc import Callable, Iterator

import pytest
from moto.server import ThreadedMotoServer

from pipelines.config import load_pipeline_config
from pipelines.deployment.endpoints import EndpointDeployer
from tests.pipelines.conftest import CONFIGS
from tests.pipelines.endpoints.account import KNOWN_TO_MOTO, Account


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    running = ThreadedMotoServer(port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    yield f"http://{host}:{port}"
    running.stop()


@pytest.fixture
def account(server: str) -> Account:
    reset = urllib.request.Request(f"{server}/moto-api/reset", method="POST")
    urllib.request.urlopen(reset).close()
    return Account(server)


@pytest.fixture
def make_deployer(account: Account) -> Callable[..., EndpointDeployer]:
    def make(*words: str) -> EndpointDeployer:
        config = load_pipeline_config(CONFIGS / "default.yaml", [KNOWN_TO_MOTO, *words])
        return EndpointDeployer(config, account.sagemaker, account.cloudwatch)

    return make
