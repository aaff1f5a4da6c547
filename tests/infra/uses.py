"""What the functions ask of AWS: seen while an album is taken in, fails at every state, is
corrected, shared, deleted; see tests/api/lambdas. Their policies have to allow it."""

from __future__ import annotations

ACTIONS = {
    "CompleteMultipartUpload": "PutObject",
    "CreateMultipartUpload": "PutObject",
    "HeadObject": "GetObject",
    "DeleteObjects": "DeleteObject",
    "ListObjectsV2": "ListBucket",
    "ListObjectVersions": "ListBucketVersions",
    "ListMultipartUploads": "ListBucketMultipartUploads",
    "ListParts": "ListMultipartUploadParts",
    "UploadPart": "PutObject",
}
"""What IAM calls operations that have no name of their own there."""

TRANSACTED = {
    "ConditionCheck": "ConditionCheckItem",
    "Delete": "DeleteItem",
    "Put": "PutItem",
    "Update": "UpdateItem",
}
"""What IAM calls the parts of a transaction."""

TABLE = {
    f"dynamodb:{action}"
    for action in (
        *TRANSACTED.values(),
        "BatchGetItem",
        "BatchWriteItem",
        "GetItem",
        "Query",
    )
}
"""What every function may ask of the table."""

_BUCKETS = ("raw", "derived", "embeddings", "exports")
_LISTS = {f"s3:ListBucket {bucket}" for bucket in _BUCKETS}

USES: dict[str, set[str]] = {
    # The models are asked which vectors they make; a share that is revoked takes its copies along.
    "api": _LISTS
    | {f"s3:ListBucketMultipartUploads {bucket}" for bucket in _BUCKETS}
    | {f"s3:ListBucketVersions {bucket}" for bucket in _BUCKETS}
    | {
        "s3:AbortMultipartUpload raw",
        "s3:DeleteObject derived",
        "s3:DeleteObject embeddings",
        "s3:DeleteObject raw",
        "s3:DeleteObjectVersion exports",
        "s3:GetObject derived",
        "s3:GetObject embeddings",
        "s3:GetObject exports",
        "s3:GetObject raw",
        "s3:ListMultipartUploadParts raw",
        "s3:PutObject derived",
        "s3:PutObject exports",
        "s3:PutObject raw",
        "sagemaker:InvokeEndpoint",
        "secretsmanager:GetSecretValue",
        "sqs:SendMessage",
        "states:DescribeExecution",
        "states:StartExecution",
        "states:StopExecution",
    },
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
        "sagemaker:InvokeEndpoint",
    },
    "embed": {
        "s3:DeleteObject derived",
        "s3:DeleteObject embeddings",
        "s3:GetObject derived",
        "s3:GetObject raw",
        "s3:PutObject derived",
        "s3:PutObject embeddings",
        "sagemaker:InvokeEndpoint",
    },
    "cluster": _LISTS
    | {
        "s3:DeleteObject derived",
        "s3:DeleteObject embeddings",
        "s3:GetObject derived",
        "s3:GetObject embeddings",
        "s3:PutObject derived",
        "s3:PutObject embeddings",
        "sagemaker:InvokeEndpoint",
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
    # Archives, in parts if they are large; mail; receipts, which are signed; who erases an account
    # leaves nobody to sign in (tests/api/contract/test_cognito.py).
    | {
        "cognito-idp:AdminDeleteUser",
        "s3:AbortMultipartUpload exports",
        "s3:GetObject exports",
        "s3:ListMultipartUploadParts exports",
        "s3:PutObject exports",
        "sagemaker:InvokeEndpoint",
        "secretsmanager:GetSecretValue",
        "ses:SendEmail",
        "sqs:SendMessage",
        "states:StartExecution",
        "states:StopExecution",
    },
}
