"""Logs, traces and metrics of the functions, by Powertools.

JSON logs to CloudWatch with the ids of request, job and batch in every line, those of the domain
and the libraries included; traces to X-Ray; metrics in the logs, by embedded metric format.
"""

from __future__ import annotations

import functools
import logging
import warnings
from collections.abc import Callable
from typing import Any

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from faceflow_ml.errors import SettingsError

Event = dict[str, Any]
Handler = Callable[[Event, LambdaContext], Any]

logger = Logger(service="faceflow")
tracer = Tracer(service="faceflow")
metrics = Metrics(service="faceflow", namespace="FaceFlow")

_PACKAGES = ("api", "faceflow_ml")

# Most invocations count nothing, which is nothing to warn of.
warnings.filterwarnings("ignore", "No application metrics to publish")


def observed(handler: Handler) -> Handler:
    """A function's handler with logs, a trace, and the metric of cold starts."""
    for name in _PACKAGES:
        logging.getLogger(name)
    copy_config_to_registered_loggers(logger, include=set(_PACKAGES))

    @functools.wraps(handler)
    def told(event: Event, context: LambdaContext) -> Any:
        try:
            return handler(event, context)
        except SettingsError as error:
            # One line, whatever Lambda makes of the exception.
            logger.error("the settings cannot be used", extra={"reason": str(error)})
            raise

    traced = tracer.capture_lambda_handler(told, capture_response=False)
    measured = metrics.log_metrics(traced, capture_cold_start_metric=True)
    return logger.inject_lambda_context(measured, clear_state=True)


def count(name: str, number: float = 1) -> None:
    """Add to a metric of the invocation."""
    metrics.add_metric(name=name, unit=MetricUnit.Count, value=number)
