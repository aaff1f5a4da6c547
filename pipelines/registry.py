"""The model registry: MLflow on one machine, model package groups on SageMaker."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, Protocol

from pipelines.aws import is_missing

REGISTRY_VARIABLE = "FACEFLOW_REGISTRY"
"""Environment variable: an MLflow tracking URI. Without it the registry is SageMaker's."""
APPROVED, PENDING, REJECTED = "Approved", "PendingManualApproval", "Rejected"
"""SageMaker's approval statuses, which versions in MLflow have as well."""


@dataclass(frozen=True)
class Version:
    """A version of a registered model.

    status: PendingManualApproval, Approved or Rejected. model_data_url: S3 URI of its
    ``model.tar.gz``. arn: of its model package; None in MLflow.
    """

    group: str
    version: int
    status: str
    contract_id: str
    model_data_url: str
    arn: str | None = None


class Registry(Protocol):
    """What both registries answer."""

    def champion(self, group: str) -> Version | None:
        """The version that is deployed or about to be; None before the first."""


class PackageRegistry:
    """SageMaker's model package groups: the champion is the newest approved version."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def champion(self, group: str) -> Version | None:
        approved = self.approved(group)
        return approved[0] if approved else None

    def approved(self, group: str) -> list[Version]:
        """Approved versions, newest first; empty where there is no such group yet."""
        from botocore.exceptions import ClientError

        try:
            return self._newest_first(ModelPackageGroupName=group, ModelApprovalStatus=APPROVED)
        except ClientError as error:
            if is_missing(error):
                return []  # the group comes with the first registration
            raise

    def versions(self, group: str) -> list[Version]:
        """All versions of a group, newest first."""
        return self._newest_first(ModelPackageGroupName=group)

    def read(self, arn: str) -> Version:
        """A version by its ARN."""
        package = self._client.describe_model_package(ModelPackageName=arn)
        container = package["InferenceSpecification"]["Containers"][0]
        return Version(
            package["ModelPackageGroupName"],
            int(package["ModelPackageVersion"]),
            package["ModelApprovalStatus"],
            package.get("CustomerMetadataProperties", {}).get("contract_id", ""),
            container["ModelDataUrl"],
            arn,
        )

    def _newest_first(self, **wanted: str) -> list[Version]:
        pages = self._client.get_paginator("list_model_packages").paginate(**wanted)
        packages = [item for page in pages for item in page["ModelPackageSummaryList"]]
        found = [self.read(item["ModelPackageArn"]) for item in packages]
        return sorted(found, key=lambda version: -version.version)


def open_registry() -> Registry:
    """The registry of this process's environment: a job on SageMaker, or one on this machine."""
    uri = os.environ.get(REGISTRY_VARIABLE)
    if uri:
        from pipelines.mlflow_registry import MlflowRegistry

        return MlflowRegistry(uri)
    import boto3

    return PackageRegistry(boto3.Session().client("sagemaker"))
