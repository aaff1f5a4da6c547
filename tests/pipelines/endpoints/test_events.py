"""What SageMaker's events lead to, against moto's server."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from faceflow_ml.errors import FaceFlowError
from pipelines.config import load_pipeline_config
from pipelines.deployment.endpoints import (
    BusyError,
    EndpointDeployer,
)
from pipelines.deployment.events import (
    BUS_VARIABLE,
    CONTRACT_CHANGED,
    DETAIL_TYPE,
    ENDPOINT_DETAIL_TYPE,
    on_endpoint_change,
    on_package_change,
)
from tests.pipelines.conftest import CONFIGS
from tests.pipelines.endpoints.account import ENDPOINT, GROUP, KNOWN_TO_MOTO, Account


def event(arn: str, status: str = "Approved", group: str = GROUP) -> dict[str, Any]:
    return {
        "source": "aws.sagemaker",
        "detail-type": DETAIL_TYPE,
        "detail": {
            "ModelPackageGroupName": group,
            "ModelPackageVersion": int(arn.rpartition("/")[2]),
            "ModelPackageArn": arn,
            "ModelApprovalStatus": status,
        },
    }


def serves(name: str = ENDPOINT) -> dict[str, Any]:
    return {
        "source": "aws.sagemaker",
        "detail-type": ENDPOINT_DETAIL_TYPE,
        "detail": {"EndpointName": name, "EndpointStatus": "IN_SERVICE"},
    }


@pytest.fixture
def tell(account: Account, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Tell the function of an event; returns what it did."""
    config = load_pipeline_config(CONFIGS / "default.yaml", [KNOWN_TO_MOTO])
    monkeypatch.setenv(BUS_VARIABLE, "default")

    def call(what: dict[str, Any]) -> str:
        by_type = {DETAIL_TYPE: on_package_change, ENDPOINT_DETAIL_TYPE: on_endpoint_change}
        clients = (account.sagemaker, account.cloudwatch, account.events)
        return str(by_type[what["detail-type"]](what, config, *clients)["action"])

    return call


@pytest.fixture
def sent(account: Account) -> list[dict[str, Any]]:
    """What the application was told."""
    entries: list[dict[str, Any]] = []
    account.events.meta.events.register(
        "provide-client-params.events.PutEvents",
        lambda params, **_: entries.extend(params["Entries"]),
    )
    return entries


def test_approval_deploys_once_however_often_it_is_told(
    account: Account, tell: Callable[..., str]
) -> None:
    first = account.register("a" * 16)
    assert tell(event(first, "PendingManualApproval")) == "ignored"
    account.approve(first)
    assert [tell(event(first)) for _ in range(3)] == ["created", "unchanged", "unchanged"]
    second = account.register("b" * 16)
    account.approve(second)
    assert [tell(event(second)) for _ in range(2)] == ["updated", "unchanged"]
    # An event that comes late does not turn the endpoint back.
    assert tell(event(first)) == "unchanged"
    assert account.current_model() == f"{GROUP}-v2"
    assert len(account.updates) == 1
    assert tell(event(first, group="others")) == "ignored"


def test_the_application_hears_of_a_contract_when_it_answers_and_of_the_way_back(
    account: Account,
    make_deployer: Callable[..., EndpointDeployer],
    tell: Callable[..., str],
    sent: list[dict[str, Any]],
) -> None:
    deployer = make_deployer()
    account.register("a" * 16, "Approved")
    deployer.deploy("embedder")
    assert [tell(serves()) for _ in range(2)] == ["told", "unchanged"]
    second = account.register("b" * 16)
    deployer.deploy("embedder", approve=True)  # by a command: no event of approval changes more
    assert tell(event(second)) == "unchanged"
    account.status = "Updating"  # while traffic shifts, the old model answers too
    assert tell(serves()) == "ignored"
    assert [json.loads(entry["Detail"])["new"] for entry in sent] == ["a" * 16]
    account.status = None
    assert [tell(serves()) for _ in range(2)] == ["told", "unchanged"]
    deployer.rollback("embedder")
    assert [tell(serves()) for _ in range(2)] == ["told", "unchanged"]
    assert [json.loads(entry["Detail"]) for entry in sent] == [
        {"old": None, "new": "a" * 16, "endpoint": ENDPOINT},
        {"old": "a" * 16, "new": "b" * 16, "endpoint": ENDPOINT},
        {"old": "b" * 16, "new": "a" * 16, "endpoint": ENDPOINT},
    ]
    assert {entry["DetailType"] for entry in sent} == {CONTRACT_CHANGED}
    assert tell(serves("somebody-elses")) == "ignored"


def test_a_bus_that_takes_no_event_is_told_again(
    account: Account, make_deployer: Callable[..., EndpointDeployer], tell: Callable[..., str]
) -> None:
    account.register("a" * 16, "Approved")
    make_deployer().deploy("embedder")
    failed = {"FailedEntryCount": 1, "Entries": [{"ErrorCode": "ThrottlingException"}]}
    emitter = account.events.meta.events
    answer = type("Response", (), {"status_code": 200})()
    emitter.register("before-call.events.PutEvents", lambda **_: (answer, failed), unique_id="no")
    with pytest.raises(FaceFlowError, match="ThrottlingException"):
        tell(serves())
    emitter.unregister("before-call.events.PutEvents", unique_id="no")
    assert tell(serves()) == "told"


def test_what_is_approved_during_an_update_is_brought_after_it(
    account: Account, make_deployer: Callable[..., EndpointDeployer], tell: Callable[..., str]
) -> None:
    account.register("a" * 16, "Approved")
    make_deployer().deploy("embedder")
    second = account.register("b" * 16, "Approved")
    account.status = "Updating"
    with pytest.raises(BusyError):
        tell(event(second))
    account.status = None
    assert tell(serves()) == "updated"
    assert account.current_model() == f"{GROUP}-v2"
    # SageMaker went back by itself, because of an alarm: it is not tried again and again.
    account.turn_back()
    assert account.current_model() == f"{GROUP}-v1"
    assert tell(serves()) != "updated"
    assert account.current_model() == f"{GROUP}-v1"


WITHOUT_TRAINING = """
import sys
for name in ("torch", "torchvision", "lightning", "mlflow", "pyarrow", "sagemaker"):
    sys.modules[name] = None  # an import of it fails
from pipelines.deployment.events import handler
print(handler({"source": "aws.s3"})["action"])
"""


def test_the_function_needs_no_library_of_training() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TRAINING], capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "ignored", done.stderr
