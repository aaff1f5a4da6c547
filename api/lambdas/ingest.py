"""Hears that originals have arrived (S3, EventBridge, SQS), and starts their ingestion.

Each photo becomes visible; each album of which photos wait is started once for all of them. What
was told before changes nothing: photos know their state, jobs their slot, and the same messages
again within the hour are not even looked at twice.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from typing import Any

from aws_lambda_powertools.utilities.batch import (
    BatchProcessor,
    EventType,
    process_partial_response,
)
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.idempotency import (
    DynamoDBPersistenceLayer,
    IdempotencyConfig,
    idempotent_function,
)
from aws_lambda_powertools.utilities.typing import LambdaContext

from api.domain import uploads
from api.domain.models import JobKind, Photo, PhotoStatus
from api.lambdas import runtime
from api.lambdas.telemetry import Event, count, logger, observed
from api.repositories.table import EXPIRY

_ORIGINAL = re.compile(r"tenant/[^/]+/[^/]+/\d{4}/\d\d/\d\d/[^/]+")
_REMEMBER_SECONDS = 3600


class _Arrivals:
    """The messages of one invocation.

    All photos are made visible before any album is started, so that one start is for all of them.
    """

    def __init__(self, context: LambdaContext) -> None:
        self._open = runtime.runtime()
        self._context = context
        self._errors: dict[str, Exception] = {}
        self._albums: dict[str, Photo] = {}
        self._told: defaultdict[str, list[list[str]]] = defaultdict(list)
        self._started: dict[str, str | Exception] = {}

    def look(self, message_id: str, body: str) -> None:
        """Make the photo visible of which a message tells; what goes wrong is for `settle`."""
        try:
            detail = json.loads(body)["detail"]
            key, version = detail["object"]["key"], str(detail["object"].get("sequencer", ""))
            if detail["bucket"]["name"] != self._open.aws.raw_bucket:
                raise ValueError("expected an object of the bucket of originals")
            photo = uploads.arrived(self._open.services, key)
            if photo is None and _ORIGINAL.fullmatch(key):
                # Nobody waits for it: its photo was given up or deleted.
                self._open.services.objects.delete([key])
            if photo is not None and photo.status is PhotoStatus.PENDING:
                self._albums[message_id] = photo
                self._told[photo.album_id].append([key, version])
        except Exception as error:  # noqa: BLE001 - one message must not stop the others
            self._errors[message_id] = error

    def settle(self, record: SQSRecord) -> None:
        """Start the album of a message, if it has not been started for another.

        Raises:
            Exception: what went wrong; the message comes again.
        """
        if record.message_id in self._errors:
            raise self._errors[record.message_id]
        photo = self._albums.get(record.message_id)
        if photo is None:
            return
        if photo.album_id not in self._started:
            try:
                self._started[photo.album_id] = self._start(photo)
            except Exception as error:  # noqa: BLE001 - told to each message of the album
                self._started[photo.album_id] = error
        outcome = self._started[photo.album_id]
        if isinstance(outcome, Exception):
            raise outcome

    def _start(self, photo: Photo) -> str:
        aws = self._open.aws
        store = DynamoDBPersistenceLayer(
            table_name=aws.table,
            key_attr="pk",
            sort_key_attr="sk",
            # With the album's rows, so that they go when it goes.
            static_pk_value=f"ALBUM#{photo.album_id}",
            expiry_attr=EXPIRY,
            boto3_client=self._open.client("dynamodb"),
        )
        config = IdempotencyConfig(expires_after_seconds=_REMEMBER_SECONDS)
        config.register_lambda_context(self._context)

        def start(*, arrivals: list[list[str]]) -> str:
            count("Arrivals", len(arrivals))
            job = self._open.workflow.start(JobKind.INGEST, photo.user_id, photo.album_id)
            logger.info("ingestion started", album_id=photo.album_id, job_id=job.id)
            return job.id

        once = idempotent_function(
            start,
            data_keyword_argument="arrivals",
            persistence_store=store,
            config=config,
            key_prefix="ARRIVALS",
        )
        return str(once(arrivals=sorted(self._told[photo.album_id])))


def _ingest(event: Event, context: LambdaContext) -> Any:
    arrivals = _Arrivals(context)
    for record in event["Records"]:
        arrivals.look(record["messageId"], record["body"])
    return process_partial_response(
        event=event,
        record_handler=arrivals.settle,
        # One that raises if every message failed would have the whole batch come again: it does.
        processor=BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False),
        context=context,
    )


handler = observed(_ingest)
