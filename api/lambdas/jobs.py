"""Works on what the queue of jobs brings: jobs, bounced mail, ended executions, new embedders.

A job that cannot be done in one invocation lets go of its slot and sends itself again.
"""

from __future__ import annotations

import json
from typing import Any

from aws_lambda_powertools.utilities.batch import (
    BatchProcessor,
    EventType,
    process_partial_response,
)
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from api.engine.sagemaker import CONTRACT_SECONDS
from api.lambdas import runtime
from api.lambdas.telemetry import Event, logger, observed
from api.sharing.feedback import note_feedback
from api.sharing.notify import resume_mails
from api.workflow.publication import start_publication
from api.workflow.reembedding import start_stale


def _jobs(event: Event, context: LambdaContext) -> Any:
    opened, deadline = runtime.runtime(), runtime.deadline(context)

    def handle(record: SQSRecord) -> None:
        _handle(opened, record.body, deadline)

    processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)
    return process_partial_response(
        event=event, record_handler=handle, processor=processor, context=context
    )


def _handle(opened: runtime.Runtime, body: str, deadline: float) -> None:
    """One message: a job; a piece of work, ``sweep`` for what was left behind, ``stale`` for albums
    of another embedder or ``corrections`` to publish them; an event; a report of mail.

    Raises:
        ValueError: it is of no kind that is known.
    """
    workflow, services = opened.workflow, opened.services
    message = json.loads(body)
    match message:
        case {"job": {"userId": str(user), "albumId": str(album), "jobId": str(job)}}:
            logger.append_keys(job_id=job, album_id=album)
            workflow.work(album, user, job, deadline=deadline)
        case {"work": "sweep"}:
            workflow.resume()
            resume_mails(services, workflow)
        case {"work": "stale"}:
            start_stale(services, workflow, every=True)
        case {"work": "corrections"}:
            start_publication(services, workflow)
        case {"detail-type": "Embedding Contract Change"}:
            # Functions that are warm may take the old embedder for the one that answers.
            workflow.send({"work": "stale"}, CONTRACT_SECONDS * 2)
        case {"detail-type": "Step Functions Execution Status Change", "detail": detail}:
            workflow.ended(detail["name"], detail["status"])
        case {"Type": "Notification"} | {"mail": _}:
            note_feedback(services, body)
        case _:
            raise ValueError("the message is of no kind that is known")


handler = observed(_jobs)
