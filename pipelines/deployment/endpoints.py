"""Deployment to SageMaker endpoints: blue/green, with traffic shifting, alarms and auto-rollback.

Names are made of what they name, so that doing it twice makes nothing twice.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

from faceflow_ml.errors import FaceFlowError
from faceflow_ml.inference.pretrained import Kind
from pipelines.aws import is_missing
from pipelines.config import EndpointConfig, PipelineConfig
from pipelines.deployment.outcome import Deployed
from pipelines.registry import APPROVED, REJECTED, PackageRegistry, Version

_BUSY = ("Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting")
_LONGEST = 28_800  # seconds: SageMaker's limit for a deployment


class BusyError(FaceFlowError):
    """The endpoint is being updated: try again when that is over."""


class EndpointDeployer:
    """Deploys approved model packages; ``sagemaker`` and ``cloudwatch`` are boto3 clients."""

    def __init__(self, config: PipelineConfig, sagemaker: Any, cloudwatch: Any) -> None:
        self._config = config
        self._sagemaker = sagemaker
        self._cloudwatch = cloudwatch
        self._registry = PackageRegistry(sagemaker)

    @classmethod
    def connect(cls, config: PipelineConfig) -> EndpointDeployer:
        """With clients of the environment's credentials."""
        import boto3

        session = boto3.Session(region_name=config.region)
        return cls(config, session.client("sagemaker"), session.client("cloudwatch"))

    def deploy(self, kind: Kind, version: int | None = None, *, approve: bool = False) -> Deployed:
        """Bring an approved version to its endpoint: the newest, or the one of that number.

        The call returns when the update has begun; SageMaker goes on with it, and back if an alarm
        rings. Doing it again changes nothing.

        Raises:
            BusyError: the endpoint is being updated to something else.
            FaceFlowError: there is no such version, or it is not approved.
        """
        wanted = self._wanted(kind, version)
        if approve and wanted.status != APPROVED:
            self._sagemaker.update_model_package(
                ModelPackageArn=wanted.arn, ModelApprovalStatus=APPROVED
            )
            wanted = replace(wanted, status=APPROVED)
        if wanted.status != APPROVED:
            raise FaceFlowError(
                f"{wanted.group} {wanted.version} is {wanted.status}: only approved versions are "
                "deployed (--approve)"
            )
        return self._bring(kind, wanted)

    def rollback(self, kind: Kind) -> Deployed:
        """Bring back the newest approved version before the present one, which becomes rejected.

        Where an alarm made SageMaker go back by itself, the newer versions that were tried are
        rejected, and the one that serves stays.

        Raises:
            BusyError: the endpoint is being updated; SageMaker's auto-rollback may be at work.
            FaceFlowError: nothing is deployed, or there is no earlier approved version.
        """
        endpoint = self._describe_endpoint(kind)
        if endpoint is None:
            raise FaceFlowError(f"there is no endpoint {self._settings(kind).name}")
        self._refuse_busy(endpoint)
        current = self._deployed(endpoint["EndpointConfigName"])
        approved = self._registry.approved(current.group)
        refused = [
            found
            for found in approved
            if found.version > current.version and self.was_tried(kind, found)
        ]
        target = current
        if not refused:
            earlier = [found for found in approved if found.version < current.version]
            if not earlier:
                raise FaceFlowError(f"{current.group}: there is no earlier approved version")
            refused, target = [current], earlier[0]
        # Rejected first: should this be interrupted, whatever deploys next brings the right one.
        for version in refused:
            self._sagemaker.update_model_package(
                ModelPackageArn=version.arn,
                ModelApprovalStatus=REJECTED,
                ApprovalDescription=f"rolled back to version {target.version}",
            )
        return replace(self._bring(kind, target), action="rolled back")

    def serving(self, kind: Kind) -> tuple[str, Version] | None:
        """The endpoint's ARN, and the version that serves there alone; None while there is none, or
        while it is being updated."""
        endpoint = self._describe_endpoint(kind)
        if endpoint is None or endpoint["EndpointStatus"] != "InService":
            return None
        return endpoint["EndpointArn"], self._deployed(endpoint["EndpointConfigName"])

    def was_tried(self, kind: Kind, version: Version) -> bool:
        """Whether the endpoint was ever told to serve a version; it may have gone back since."""
        name = self._config_name(kind, version)
        return self._exists("describe_endpoint_config", EndpointConfigName=name) is not None

    def _bring(self, kind: Kind, wanted: Version) -> Deployed:
        settings = self._settings(kind)
        endpoint = self._describe_endpoint(kind)
        name = self._config_name(kind, wanted)
        if endpoint is not None and endpoint["EndpointConfigName"] != name:
            self._refuse_busy(endpoint)  # before anything is made: see `was_tried`
        self._model(kind, wanted)
        self._endpoint_config(kind, name, wanted)
        previous: str | None = None
        if endpoint is None:
            self._sagemaker.create_endpoint(EndpointName=settings.name, EndpointConfigName=name)
            action = "created"
        elif endpoint["EndpointConfigName"] == name:
            previous, action = wanted.contract_id, "unchanged"
        else:
            previous = self._deployed(endpoint["EndpointConfigName"]).contract_id
            self._sagemaker.update_endpoint(
                EndpointName=settings.name,
                EndpointConfigName=name,
                DeploymentConfig=deployment_config(settings, self._alarms(settings)),
            )
            action = "updated"
        return Deployed(
            kind=kind,
            group=wanted.group,
            version=wanted.version,
            contract_id=wanted.contract_id,
            endpoint=settings.name,
            action=action,
            previous_contract_id=previous,
            contract_changed=previous not in (None, wanted.contract_id),
        )

    def _wanted(self, kind: Kind, version: int | None) -> Version:
        group = self._config.groups[kind]
        for found in self._registry.versions(group):
            # Without a number: the newest that nobody rejected, as the challenger is here.
            if found.version == version or (version is None and found.status != REJECTED):
                return found
        which = "version to deploy" if version is None else f"version {version}"
        raise FaceFlowError(f"{group} has no {which}")

    def _model_name(self, kind: Kind, wanted: Version) -> str:
        # Serverless endpoints take no network isolation; instances need no network.
        serverless = "-serverless" if self._settings(kind).serverless else ""
        return f"{wanted.group}-v{wanted.version}{serverless}"

    def _config_name(self, kind: Kind, wanted: Version) -> str:
        variant = production_variant(self._settings(kind), self._model_name(kind, wanted))
        # Other settings are another configuration: SageMaker's cannot be changed.
        digest = hashlib.sha256(json.dumps(variant, sort_keys=True).encode()).hexdigest()[:8]
        return f"{wanted.group}-v{wanted.version}-{digest}"

    def _model(self, kind: Kind, wanted: Version) -> None:
        name = self._model_name(kind, wanted)
        if not self._exists("describe_model", ModelName=name):
            self._sagemaker.create_model(
                ModelName=name,
                ExecutionRoleArn=self._config.role,
                Containers=[{"ModelPackageName": wanted.arn}],
                EnableNetworkIsolation=not self._settings(kind).serverless,
                Tags=[
                    {"Key": "faceflow:kind", "Value": kind},
                    {"Key": "faceflow:contract-id", "Value": wanted.contract_id},
                ],
            )

    def _endpoint_config(self, kind: Kind, name: str, wanted: Version) -> None:
        if not self._exists("describe_endpoint_config", EndpointConfigName=name):
            variant = production_variant(self._settings(kind), self._model_name(kind, wanted))
            self._sagemaker.create_endpoint_config(
                EndpointConfigName=name, ProductionVariants=[variant]
            )

    def _alarms(self, settings: EndpointConfig) -> list[str]:
        """The configured alarms, and two of our own: share of 5xx, and latency."""
        own = alarm_requests(settings)
        for request in own:
            self._cloudwatch.put_metric_alarm(**request)
        return [*(request["AlarmName"] for request in own), *settings.alarms]

    def _settings(self, kind: Kind) -> EndpointConfig:
        return self._config.deploy.endpoints[kind]

    def _describe_endpoint(self, kind: Kind) -> dict[str, Any] | None:
        return self._exists("describe_endpoint", EndpointName=self._settings(kind).name)

    def _refuse_busy(self, endpoint: dict[str, Any]) -> None:
        if endpoint["EndpointStatus"] in _BUSY:
            raise BusyError(
                f"endpoint {endpoint['EndpointName']} is {endpoint['EndpointStatus']}: "
                "try again when that is over"
            )

    def _deployed(self, endpoint_config: str) -> Version:
        """The version behind an endpoint configuration."""
        found = self._sagemaker.describe_endpoint_config(EndpointConfigName=endpoint_config)
        model = self._sagemaker.describe_model(
            ModelName=found["ProductionVariants"][0]["ModelName"]
        )
        containers = model.get("Containers") or [model["PrimaryContainer"]]
        package = containers[0].get("ModelPackageName")
        if package is None:
            raise FaceFlowError(f"endpoint configuration {endpoint_config} serves no model package")
        return self._registry.read(str(package))

    def _exists(self, call: str, **request: str) -> dict[str, Any] | None:
        from botocore.exceptions import ClientError

        try:
            found: dict[str, Any] = getattr(self._sagemaker, call)(**request)
            return found
        except ClientError as error:
            if is_missing(error):
                return None
            raise


def production_variant(settings: EndpointConfig, model: str) -> dict[str, Any]:
    """The one variant, always of the same name: traffic can only shift within a variant."""
    variant: dict[str, Any] = {"VariantName": settings.variant, "ModelName": model}
    if settings.serverless:
        return variant | {
            "ServerlessConfig": {
                "MemorySizeInMB": settings.memory_mb,
                "MaxConcurrency": settings.max_concurrency,
            }
        }
    return variant | {
        "InstanceType": settings.instance_type,
        "InitialInstanceCount": settings.instance_count,
        "InitialVariantWeight": 1.0,
    }


def deployment_config(settings: EndpointConfig, alarms: list[str]) -> dict[str, Any]:
    """How traffic moves, and what turns it back."""
    routing: dict[str, Any] = {
        "Type": settings.traffic.upper(),
        "WaitIntervalInSeconds": settings.bake_seconds,
    }
    size = {"Type": "CAPACITY_PERCENT", "Value": settings.step_percent}
    if settings.traffic == "canary":
        routing["CanarySize"] = size
    elif settings.traffic == "linear":
        routing["LinearStepSize"] = size
    # Long enough for every step to be watched, and for instances to start.
    longest = settings.steps * settings.bake_seconds + settings.termination_wait_seconds + 3600
    return {
        "BlueGreenUpdatePolicy": {
            "TrafficRoutingConfiguration": routing,
            "TerminationWaitInSeconds": settings.termination_wait_seconds,
            "MaximumExecutionTimeoutInSeconds": min(longest, _LONGEST),
        },
        "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": name} for name in alarms]},
    }


def alarm_requests(settings: EndpointConfig) -> list[dict[str, Any]]:
    """PutMetricAlarm requests: the share of server errors, and the 99th percentile of latency."""
    dimensions = [
        {"Name": "EndpointName", "Value": settings.name},
        {"Name": "VariantName", "Value": settings.variant},
    ]

    def counted(metric: str, label: str) -> dict[str, Any]:
        return {
            "Id": label,
            "ReturnData": False,
            "MetricStat": {
                "Metric": {
                    "Namespace": "AWS/SageMaker",
                    "MetricName": metric,
                    "Dimensions": dimensions,
                },
                "Period": 60,
                "Stat": "Sum",
            },
        }

    shared = {
        "EvaluationPeriods": 2,
        "DatapointsToAlarm": 2,
        "ComparisonOperator": "GreaterThanThreshold",
        "TreatMissingData": "notBreaching",
    }
    return [
        {
            "AlarmName": f"{settings.name}-errors",
            "AlarmDescription": "Share of answers that are server errors",
            "Threshold": settings.alarm_error_rate,
            "Metrics": [
                counted("Invocation5XXErrors", "errors"),
                counted("Invocations", "requests"),
                {
                    "Id": "share",
                    "Expression": "IF(requests > 0, errors / requests, 0)",
                    "Label": "share of server errors",
                    "ReturnData": True,
                },
            ],
            **shared,
        },
        {
            "AlarmName": f"{settings.name}-latency",
            "AlarmDescription": "99th percentile of the model's latency",
            "Namespace": "AWS/SageMaker",
            "MetricName": "ModelLatency",
            "Dimensions": dimensions,
            "Period": 60,
            "ExtendedStatistic": "p99",
            "Unit": "Microseconds",
            "Threshold": settings.alarm_latency_ms * 1000.0,
            **shared,
        },
    ]
