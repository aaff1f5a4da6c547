"""What the functions ask of AWS, besides the table: seen while an album is taken in, fails at every
state, is deleted; see tests/api/lambdas. Their policies have to allow it."""

from __future__ import annotations

ACTIONS = {
    "HeadObject": "GetObject",
    "DeleteObjects": "DeleteObject",
    "ListObjectsV2": "ListBucket",
    "ListObjectVersions": "ListBucketVersions",
    "ListMultipartUploads": "ListBucketMultipartUploads",
}
"""What IAM calls operations that have no name of their own there."""

_BUCKETS = ("raw", "derived", "embeddings", "exports")
_LISTS = {f"s3:ListBucket {bucket}" for bucket in _BUCKETS}

USES: dict[str, set[str]] = {
    "ingest": {
        "s3:DeleteObject raw",
        "s3:GetObject raw",
        "states:DescribeExecution",
        "states:StartExecution",
    },
    "extract": {"s3:GetObject raw", "s3:PutObject derived", "s3:DeleteObject derived"},
    "deduplicate": {"s3:PutObject derived"},
    "detect": {
        "s3:DeleteObject derived",
        "s3:DeleteObject embeddings",
        "s3:GetObject raw",
        "s3:PutObject derived",
    },
    "embed": {
        "s3:DeleteObject derived",
        "s3:DeleteObject embeddings",
        "s3:GetObject derived",
        "s3:GetObject raw",
        "s3:PutObject derived",
        "s3:PutObject embeddings",
    },
    "cluster": _LISTS
    | {
        "s3:DeleteObject derived",
        "s3:DeleteObject embeddings",
        "s3:GetObject derived",
        "s3:GetObject embeddings",
        "s3:PutObject derived",
        "s3:PutObject embeddings",
    },
    "notify": _LISTS
    | {
        "s3:DeleteObject derived",
        "sqs:SendMessage",
        "states:DescribeExecution",
        "states:StartExecution",
    },
    "jobs": {
        f"s3:{action} {bucket}"
        for action in (
            "DeleteObject",
            "DeleteObjectVersion",
            "ListBucket",
            "ListBucketMultipartUploads",
            "ListBucketVersions",
        )
        # Published corrections lie in the bucket of the models.
        for bucket in (*_BUCKETS, "models")
    }
    | {"s3:GetObject models", "s3:PutObject models"}
    # Photos and vectors, of which corrections are published.
    | {"s3:GetObject raw", "s3:GetObject embeddings"}
    | {"s3:GetObject derived", "s3:PutObject derived"}
    | {"sqs:SendMessage", "states:StartExecution", "states:StopExecution"},
}
