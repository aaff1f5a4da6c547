"""Deployment to SageMaker endpoints, against moto's server.

It lacks UpdateEndpoint, and forgets the customer metadata of model packages: both are added here.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from faceflow_ml.errors import FaceFlowError
from pipelines.config import PipelineConfig, load_pipeline_config
from pipelines.deployment.endpoints import (
    BusyError,
    EndpointDeployer,
    alarm_requests,
    deployment_config,
    production_variant,
)
from pipelines.deployment.events import (
    BUS_VARIABLE,
    CONTRACT_CHANGED,
    DETAIL_TYPE,
    ENDPOINT_DETAIL_TYPE,
    on_endpoint_change,
    on_package_change,
)
from pipelines.registry import PackageRegistry
from pipelines.start import start_on_sagemaker
from tests.pipelines.conftest import CONFIGS

GROUP, ENDPOINT = "faceflow-embedder", "faceflow-embedding"
IMAGE = "111122223333.dkr.ecr.eu-west-1.amazonaws.com/faceflow-embedding:1.0.0"
KNOWN_TO_MOTO = "deploy.endpoints.embedder.instance_type=ml.c5.xlarge"
KEYS = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    running = ThreadedMotoServer(port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    yield f"http://{host}:{port}"
    running.stop()


class Account:
    """An empty AWS account: clients, and every UpdateEndpoint that was asked for.

    The call is answered in the client, after botocore has checked it against its input shape; the
    endpoint's description then names the new configuration, as SageMaker's does when it is done.
    """

    def __init__(self, url: str) -> None:
        session = boto3.Session(region_name="eu-west-1", **KEYS)
        self.sagemaker = session.client("sagemaker", endpoint_url=url)
        self.cloudwatch = session.client("cloudwatch", endpoint_url=url)
        self.events = session.client("events", endpoint_url=url)
        self.updates: list[dict[str, Any]] = []
        self.status: str | None = None
        self._configs: dict[str, str] = {}
        self._metadata: dict[str, dict[str, str]] = {}
        emitter = self.sagemaker.meta.events
        emitter.register("provide-client-params.sagemaker.UpdateEndpoint", self._remember)
        emitter.register("before-call.sagemaker.UpdateEndpoint", self._answer)
        emitter.register("after-call.sagemaker.DescribeEndpoint", self._describe)
        emitter.register("after-call.sagemaker.DescribeModelPackage", self._add_metadata)

    def _remember(self, params: dict[str, Any], **_: Any) -> None:
        self.updates.append(params)

    def _answer(self, **_: Any) -> tuple[Any, dict[str, Any]]:
        update = self.updates[-1]
        self.sagemaker.describe_endpoint_config(EndpointConfigName=update["EndpointConfigName"])
        self._configs[update["EndpointName"]] = update["EndpointConfigName"]
        return type("Response", (), {"status_code": 200})(), {"EndpointArn": "arn"}

    def _describe(self, parsed: dict[str, Any], **_: Any) -> None:
        name = parsed.get("EndpointName")
        if name in self._configs:
            parsed["EndpointConfigName"] = self._configs[name]
        if name and self.status:
            parsed["EndpointStatus"] = self.status

    def _add_metadata(self, parsed: dict[str, Any], **_: Any) -> None:
        known = self._metadata.get(parsed.get("ModelPackageArn", ""))
        if known is not None:
            parsed["CustomerMetadataProperties"] = known

    def register(self, contract_id: str, status: str = "PendingManualApproval") -> str:
        group = {"ModelPackageGroupName": GROUP}
        if not self.sagemaker.list_model_package_groups()["ModelPackageGroupSummaryList"]:
            self.sagemaker.create_model_package_group(**group)
        made = self.sagemaker.create_model_package(
            **group,
            InferenceSpecification={
                "Containers": [
                    {"Image": IMAGE, "ModelDataUrl": f"s3://bucket/{contract_id}/model.tar.gz"}
                ],
                "SupportedContentTypes": ["image/jpeg"],
                "SupportedResponseMIMETypes": ["application/json"],
            },
            ModelApprovalStatus=status,
            CustomerMetadataProperties={"contract_id": contract_id},
        )
        arn = str(made["ModelPackageArn"])
        self._metadata[arn] = {"contract_id": contract_id}
        return arn

    def approve(self, arn: str) -> None:
        self.sagemaker.update_model_package(ModelPackageArn=arn, ModelApprovalStatus="Approved")

    def turn_back(self) -> None:
        """As SageMaker does when an alarm rings: the endpoint is what it was."""
        self._configs.clear()

    def current_model(self) -> str:
        endpoint = self.sagemaker.describe_endpoint(EndpointName=ENDPOINT)
        config = self.sagemaker.describe_endpoint_config(
            EndpointConfigName=endpoint["EndpointConfigName"]
        )
        (variant,) = config["ProductionVariants"]
        assert variant["VariantName"] == "all"
        return str(variant["ModelName"])


@pytest.fixture
def account(server: str) -> Account:
    import urllib.request

    reset = urllib.request.Request(f"{server}/moto-api/reset", method="POST")
    urllib.request.urlopen(reset).close()
    return Account(server)


@pytest.fixture
def make_deployer(account: Account) -> Callable[..., EndpointDeployer]:
    def make(*words: str) -> EndpointDeployer:
        config = load_pipeline_config(CONFIGS / "default.yaml", [KNOWN_TO_MOTO, *words])
        return EndpointDeployer(config, account.sagemaker, account.cloudwatch)

    return make


def test_the_first_approved_version_gets_an_endpoint(
    account: Account, make_deployer: Callable[..., EndpointDeployer]
) -> None:
    account.register("a" * 16)
    deployer = make_deployer()
    with pytest.raises(FaceFlowError, match="PendingManualApproval: only approved"):
        deployer.deploy("embedder")
    done = deployer.deploy("embedder", approve=True)
    assert (done.action, done.version, done.contract_id) == ("created", 1, "a" * 16)
    assert account.current_model() == f"{GROUP}-v1"
    model = account.sagemaker.describe_model(ModelName=f"{GROUP}-v1")
    assert model["Containers"][0]["ModelPackageName"].endswith(f"/{GROUP}/1")
    assert deployer.deploy("embedder").action == "unchanged"
    assert account.updates == []
    assert len(account.sagemaker.list_models()["Models"]) == 1
    assert len(account.sagemaker.list_endpoint_configs()["EndpointConfigs"]) == 1


def test_an_update_shifts_traffic_and_watches_alarms(
    account: Account, make_deployer: Callable[..., EndpointDeployer]
) -> None:
    deployer = make_deployer("deploy.endpoints.embedder.alarms=[business]")
    account.register("a" * 16, "Approved")
    deployer.deploy("embedder")
    account.register("b" * 16, "Approved")
    done = deployer.deploy("embedder")
    assert (done.action, done.version, done.contract_changed) == ("updated", 2, True)
    assert done.previous_contract_id == "a" * 16
    (update,) = account.updates
    policy = update["DeploymentConfig"]["BlueGreenUpdatePolicy"]
    assert policy["TrafficRoutingConfiguration"] == {
        "Type": "CANARY",
        "WaitIntervalInSeconds": 600,
        "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": 10},
    }
    alarms = [
        a["AlarmName"] for a in update["DeploymentConfig"]["AutoRollbackConfiguration"]["Alarms"]
    ]
    assert alarms == [f"{ENDPOINT}-errors", f"{ENDPOINT}-latency", "business"]
    known = {a["AlarmName"] for a in account.cloudwatch.describe_alarms()["MetricAlarms"]}
    assert known == {f"{ENDPOINT}-errors", f"{ENDPOINT}-latency"}
    assert account.current_model() == f"{GROUP}-v2"
    assert deployer.deploy("embedder").action == "unchanged"
    assert len(account.updates) == 1


def test_a_rollback_brings_back_the_old_contract_and_rejects_the_new(
    account: Account, make_deployer: Callable[..., EndpointDeployer]
) -> None:
    deployer = make_deployer()
    account.register("a" * 16, "Approved")
    deployer.deploy("embedder")
    with pytest.raises(FaceFlowError, match="no earlier approved"):
        deployer.rollback("embedder")
    bad = account.register("b" * 16, "Approved")
    deployer.deploy("embedder")
    back = deployer.rollback("embedder")
    assert (back.action, back.version, back.contract_id) == ("rolled back", 1, "a" * 16)
    assert account.current_model() == f"{GROUP}-v1"
    package = account.sagemaker.describe_model_package(ModelPackageName=bad)
    assert package["ModelApprovalStatus"] == "Rejected"
    champion = PackageRegistry(account.sagemaker).champion(GROUP)
    assert champion is not None
    assert champion.contract_id == "a" * 16
    # What was rejected is not deployed again.
    assert deployer.deploy("embedder").action == "unchanged"


def test_a_rollback_after_an_alarm_rejects_what_was_turned_back(
    account: Account, make_deployer: Callable[..., EndpointDeployer]
) -> None:
    deployer = make_deployer()
    account.register("a" * 16, "Approved")
    deployer.deploy("embedder")
    good = account.register("b" * 16, "Approved")
    deployer.deploy("embedder")
    described = account.sagemaker.describe_endpoint(EndpointName=ENDPOINT)
    serving = described["EndpointConfigName"]
    bad = account.register("c" * 16, "Approved")
    deployer.deploy("embedder")
    account.sagemaker.update_endpoint(EndpointName=ENDPOINT, EndpointConfigName=serving)
    untried = account.register("d" * 16, "Approved")
    back = deployer.rollback("embedder")
    assert (back.action, back.version, back.contract_id) == ("rolled back", 2, "b" * 16)
    status = {
        arn: account.sagemaker.describe_model_package(ModelPackageName=arn)["ModelApprovalStatus"]
        for arn in (good, bad, untried)
    }
    assert status == {good: "Approved", bad: "Rejected", untried: "Approved"}


def test_an_endpoint_in_motion_is_left_alone(
    account: Account, make_deployer: Callable[..., EndpointDeployer]
) -> None:
    deployer = make_deployer()
    account.register("a" * 16, "Approved")
    deployer.deploy("embedder")
    account.register("b" * 16, "Approved")
    account.status = "Updating"
    with pytest.raises(BusyError, match="Updating"):
        deployer.deploy("embedder")
    with pytest.raises(BusyError, match="Updating"):
        deployer.rollback("embedder")
    assert account.updates == []


def test_nothing_to_deploy_is_said(
    account: Account, make_deployer: Callable[..., EndpointDeployer]
) -> None:
    deployer = make_deployer()
    account.register("a" * 16)
    with pytest.raises(FaceFlowError, match="no version 9"):
        deployer.deploy("embedder", 9)
    with pytest.raises(FaceFlowError, match="there is no endpoint"):
        deployer.rollback("embedder")
    assert PackageRegistry(account.sagemaker).champion("strangers") is None


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


@pytest.mark.parametrize("traffic", ["canary", "linear", "all_at_once"])
@pytest.mark.parametrize("serverless", [True, False])
def test_requests_are_what_the_apis_take(
    default_config: PipelineConfig, traffic: str, serverless: bool
) -> None:
    from botocore.session import Session
    from botocore.validate import ParamValidator

    settings = default_config.deploy.endpoints["detector"].model_copy(
        update={"traffic": traffic, "serverless": serverless, "step_percent": 20}
    )
    requests = [
        (
            "sagemaker",
            "CreateEndpointConfig",
            {"EndpointConfigName": "x", "ProductionVariants": [production_variant(settings, "m")]},
        ),
        (
            "sagemaker",
            "UpdateEndpoint",
            {
                "EndpointName": "x",
                "EndpointConfigName": "y",
                "DeploymentConfig": deployment_config(settings, ["alarm"]),
            },
        ),
        *(("cloudwatch", "PutMetricAlarm", request) for request in alarm_requests(settings)),
    ]
    for service, operation, request in requests:
        model = Session().get_service_model(service).operation_model(operation)
        report = ParamValidator().validate(request, model.input_shape)
        assert not report.has_errors(), report.generate_report()
    steps = {"canary": 2, "linear": 5, "all_at_once": 1}[traffic]
    longest = requests[1][2]["DeploymentConfig"]["BlueGreenUpdatePolicy"][
        "MaximumExecutionTimeoutInSeconds"
    ]
    assert steps * settings.bake_seconds < longest <= 28_800


def test_the_pipeline_is_created_then_updated_and_started(
    account: Account, default_config: PipelineConfig, compiled: dict[str, Any]
) -> None:
    arns = [
        start_on_sagemaker(default_config, {"EmbedderMinimum": "0.7"}, account.sagemaker)
        for _ in range(2)
    ]
    assert len(set(arns)) == 2
    (pipeline,) = account.sagemaker.list_pipelines()["PipelineSummaries"]
    assert pipeline["PipelineName"] == "faceflow"
    found = account.sagemaker.describe_pipeline(PipelineName="faceflow")
    assert json.loads(found["PipelineDefinition"]) == compiled
    given = account.sagemaker.list_pipeline_parameters_for_execution(PipelineExecutionArn=arns[1])
    assert given["PipelineParameters"] == [{"Name": "EmbedderMinimum", "Value": "0.7"}]
    with pytest.raises(FaceFlowError, match="no parameter Colour"):
        start_on_sagemaker(default_config, {"Colour": "red"}, account.sagemaker)


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
