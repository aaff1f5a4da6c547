"""Handler of SageMaker's events: approval deploys, and whoever has vectors hears of new ones.

SageMaker may tell of one change several times, and late. The handler looks at what is so now, not
at what the event says was so.

"SageMaker Model Package State Change": the newest approved version is brought to its endpoint,
which changes nothing where it already is.

"SageMaker Endpoint State Change", once traffic has shifted: a version that was approved meanwhile
is brought; and if an embedder answers with another contract id than the endpoint's tag says, an
event tells the application to embed its albums again. That is so whoever changed the model: an
approval, a command, a rollback, or SageMaker itself because of an alarm.

Environment: ``FACEFLOW_PIPELINE_CONFIG``, the configuration's file; ``FACEFLOW_EVENT_BUS``, where
the event goes; without it there is none.
"""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import Any

from faceflow_ml.errors import ConfigError, FaceFlowError
from faceflow_ml.variables import check_variables
from pipelines import DEFAULT_CONFIG
from pipelines.config import PipelineConfig, load_pipeline_config
from pipelines.deployment.endpoints import EndpointDeployer
from pipelines.registry import APPROVED, PackageRegistry

_log = logging.getLogger(__name__)

CONFIG_VARIABLE = "FACEFLOW_PIPELINE_CONFIG"
BUS_VARIABLE = "FACEFLOW_EVENT_BUS"
DETAIL_TYPE = "SageMaker Model Package State Change"
ENDPOINT_DETAIL_TYPE = "SageMaker Endpoint State Change"
CONTRACT_TAG = "faceflow:contract-id"
"""Of the embedder's endpoint: the contract id that the application was told of last."""
CONTRACT_CHANGED = "Embedding Contract Change"


def handler(event: dict[str, Any], _context: object = None) -> dict[str, Any]:
    """Entry point of the Lambda function.

    Raises:
        ConfigError: the configuration cannot be used, or a variable is misspelt.
        BusyError: an update is going on; its end is an event that brings the version too.
    """
    import boto3

    try:
        check_variables({CONFIG_VARIABLE, BUS_VARIABLE})
        config = load_pipeline_config(Path(os.environ.get(CONFIG_VARIABLE, str(DEFAULT_CONFIG))))
    except ConfigError as error:
        # One line, whatever Lambda makes of the exception.
        _log.error("%s: %s", CONFIG_VARIABLE, error)
        raise
    session = boto3.Session(region_name=config.region)
    told = on_endpoint_change if _type_of(event) == ENDPOINT_DETAIL_TYPE else on_package_change
    return told(
        event,
        config,
        session.client("sagemaker"),
        session.client("cloudwatch"),
        session.client("events"),
    )


def on_package_change(
    event: dict[str, Any], config: PipelineConfig, sagemaker: Any, cloudwatch: Any, _events: Any
) -> dict[str, Any]:
    """Deploy if the event is about an approved version of one of our groups.

    Returns:
        ``action``: what was done, or ``ignored`` with a reason.
    """
    detail = event.get("detail", {})
    if _type_of(event) != DETAIL_TYPE:
        return _ignored("not a change of a model package")
    group = detail.get("ModelPackageGroupName")
    kind = next((k for k, name in config.groups.items() if name == group), None)
    if kind is None:
        return _ignored(f"{group} is none of ours")
    if detail.get("ModelApprovalStatus") != APPROVED:
        return _ignored(f"the version is {detail.get('ModelApprovalStatus')}")
    champion = PackageRegistry(sagemaker).champion(str(group))
    if champion is None:
        return _ignored("it is not approved any more")
    return EndpointDeployer(config, sagemaker, cloudwatch).deploy(kind, champion.version).plain()


def on_endpoint_change(
    event: dict[str, Any], config: PipelineConfig, sagemaker: Any, cloudwatch: Any, events: Any
) -> dict[str, Any]:
    """Once one of our endpoints serves: bring what was approved meanwhile, or tell of a contract.

    Returns:
        ``action``: what was done, ``told`` or ``unchanged``, or ``ignored`` with a reason.
    """
    name = event.get("detail", {}).get("EndpointName")
    endpoints = config.deploy.endpoints
    kind = next((k for k, settings in endpoints.items() if settings.name == name), None)
    if kind is None:
        return _ignored(f"{name} is none of ours")
    deployer = EndpointDeployer(config, sagemaker, cloudwatch)
    serving = deployer.serving(kind)
    if serving is None:
        return _ignored(f"{name} is being updated, or is gone")
    arn, version = serving
    newest = PackageRegistry(sagemaker).champion(config.groups[kind])
    # One that was tried and does not serve was turned back, and is not tried again by itself.
    if (
        newest is not None
        and newest.version > version.version
        and not deployer.was_tried(kind, newest)
    ):
        return deployer.deploy(kind, newest.version).plain()
    bus = os.environ.get(BUS_VARIABLE)
    if not bus or kind != "embedder":
        return {"action": "unchanged"}
    tags = {tag["Key"]: tag["Value"] for tag in sagemaker.list_tags(ResourceArn=arn)["Tags"]}
    known = tags.get(CONTRACT_TAG)
    if known == version.contract_id:
        return {"action": "unchanged"}
    _tell(events, bus, {"old": known, "new": version.contract_id, "endpoint": name})
    # Remembered afterwards: rather twice than never.
    remembered = [{"Key": CONTRACT_TAG, "Value": version.contract_id}]
    sagemaker.add_tags(ResourceArn=arn, Tags=remembered)
    return {"action": "told", "old": known, "new": version.contract_id}


def _tell(events: Any, bus: str, detail: dict[str, Any]) -> None:
    entry = {
        "EventBusName": bus,
        "Source": "faceflow.pipeline",
        "DetailType": CONTRACT_CHANGED,
        "Detail": json.dumps(detail),
    }
    answer = events.put_events(Entries=[entry])
    if answer.get("FailedEntryCount"):
        raise FaceFlowError(f"the event bus {bus} took no event: {answer['Entries'][0]}")


def _type_of(event: dict[str, Any]) -> str:
    return str(event.get("detail-type")) if event.get("source") == "aws.sagemaker" else ""


def _ignored(reason: str) -> dict[str, Any]:
    return {"action": "ignored", "reason": reason}
