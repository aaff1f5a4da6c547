"""An AWS account in moto's server.

It lacks UpdateEndpoint, and forgets the customer metadata of model packages: both are added here.
"""

from __future__ import annotations

from typing import Any

import boto3

GROUP, ENDPOINT = "faceflow-embedder", "faceflow-embedding"
IMAGE = "111122223333.dkr.ecr.eu-west-1.amazonaws.com/faceflow-embedding:1.0.0"
KNOWN_TO_MOTO = "deploy.endpoints.embedder.instance_type=ml.c5.xlarge"
KEYS = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}


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
