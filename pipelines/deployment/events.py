"""Handler of EventBridge's "SageMaker Model Package State Change": approval deploys.

SageMaker may tell of one change several times, and late. The handler looks at what is so now, not
at what the event says was so: the newest approved version is brought to its endpoint, which changes
nothing where it already is.

Environment: ``FACEFLOW_PIPELINE_CONFIG``, the configuration's file; ``FACEFLOW_EVENT_BUS``, if
set, gets an event when a new embedder changes the contract id, for the application to embed its
albums again.
"""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import Any

from faceflow_ml.errors import ConfigError
from faceflow_ml.variables import check_variables
from pipelines import DEFAULT_CONFIG
from pipelines.config import PipelineConfig, load_pipeline_config
from pipelines.deployment.endpoints import EndpointDeployer
from pipelines.registry import APPROVED, PackageRegistry

_log = logging.getLogger(__name__)

CONFIG_VARIABLE = "FACEFLOW_PIPELINE_CONFIG"
BUS_VARIABLE = "FACEFLOW_EVENT_BUS"
DETAIL_TYPE = "SageMaker Model Package State Change"
CONTRACT_CHANGED = "Embedding Contract Change"


def handler(event: dict[str, Any], _context: object = None) -> dict[str, Any]:
    """Entry point of the Lambda function.

    Raises:
        ConfigError: the configuration cannot be used, or a variable is misspelt.
        BusyError: an update is going on; Lambda tries again.
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
    return on_package_change(
        event,
        config,
        session.client("sagemaker"),
        session.client("cloudwatch"),
        session.client("events"),
    )


def on_package_change(
    event: dict[str, Any], config: PipelineConfig, sagemaker: Any, cloudwatch: Any, events: Any
) -> dict[str, Any]:
    """Deploy if the event is about an approved version of one of our groups.

    Returns:
        ``action``: what was done, or ``ignored`` with a reason.
    """
    detail = event.get("detail", {})
    if event.get("source") != "aws.sagemaker" or event.get("detail-type") != DETAIL_TYPE:
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
    done = EndpointDeployer(config, sagemaker, cloudwatch).deploy(kind, champion.version)
    bus = os.environ.get(BUS_VARIABLE)
    if bus and kind == "embedder" and done.contract_changed:
        events.put_events(
            Entries=[
                {
                    "EventBusName": bus,
                    "Source": "faceflow.pipeline",
                    "DetailType": CONTRACT_CHANGED,
                    "Detail": json.dumps(
                        {
                            "old": done.previous_contract_id,
                            "new": done.contract_id,
                            "endpoint": done.endpoint,
                        }
                    ),
                }
            ]
        )
    return done.plain()


def _ignored(reason: str) -> dict[str, Any]:
    return {"action": "ignored", "reason": reason}
