"""The DynamoDB table as the application needs it: one definition for code, tests and Terraform.

Terraform's ``modules/ddb`` makes the same one. No attribute of an item has a key's name.
"""

from __future__ import annotations

from typing import Any

from api.repositories.table import INDEX_ATTRIBUTES, Index

PK, SK = "pk", "sk"
TOUCHED = "~"
"""Set by updates that set nothing else, so that they make an absent item as every update does."""

ORDERS: dict[Index | None, tuple[str, tuple[str, ...]]] = {
    None: (PK, (SK,)),
    Index.LSI1: (PK, ("createdAt", SK)),
    Index.GSI1: ("gsi1pk", ("gsi1sk", PK, SK)),
    Index.GSI2: ("gsi2pk", ("gsi2sk", PK, SK)),
}
"""Partition attribute of the table and its indexes, and what tells two items in them apart."""


def table_definition(name: str) -> dict[str, Any]:
    """Arguments of ``CreateTable``: on demand, encrypted, every index with whole items.

    Time to live (`EXPIRY`) and point-in-time recovery are switched on by calls of their own.
    """
    attributes = (PK, SK, *INDEX_ATTRIBUTES)
    return {
        "TableName": name,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [
            {"AttributeName": attribute, "AttributeType": "S"} for attribute in attributes
        ],
        "KeySchema": _schema(PK, SK),
        "LocalSecondaryIndexes": [_index(Index.LSI1)],
        "GlobalSecondaryIndexes": [_index(Index.GSI1), _index(Index.GSI2)],
        "SSESpecification": {"Enabled": True},
    }


def _index(index: Index) -> dict[str, Any]:
    partition, sort = ORDERS[index]
    return {
        "IndexName": index.name,
        "KeySchema": _schema(partition, sort[0]),
        "Projection": {"ProjectionType": "ALL"},
    }


def _schema(partition: str, sort: str) -> list[dict[str, str]]:
    return [
        {"AttributeName": partition, "KeyType": "HASH"},
        {"AttributeName": sort, "KeyType": "RANGE"},
    ]
