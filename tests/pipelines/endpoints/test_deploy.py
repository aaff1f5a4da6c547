"""Deployment to SageMaker endpoints, against moto's server."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from faceflow_ml.errors import FaceFlowError
from pipelines.config import PipelineConfig
from pipelines.deployment.endpoints import (
    BusyError,
    EndpointDeployer,
    alarm_requests,
    deployment_config,
    production_variant,
)
from pipelines.registry import PackageRegistry
from pipelines.start import start_on_sagemaker
from tests.pipelines.endpoints.account import ENDPOINT, GROUP, Account


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
