"""Calls that the modules of Terraform need and moto leaves out, or answers otherwise than AWS.

Each is a method that moto's dispatch finds by the action's name, on the class of its service.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache, wraps
from types import SimpleNamespace
from typing import Any

from moto.apigateway.responses import APIGatewayResponse
from moto.applicationautoscaling.responses import ApplicationAutoScalingResponse
from moto.awslambda.models import LambdaFunction
from moto.budgets.responses import BudgetsResponse
from moto.cloudfront.models import DefaultCacheBehaviour, Origin, ViewerCertificate
from moto.core.exceptions import AWSError
from moto.core.responses import ActionResult
from moto.sagemaker.models import SageMakerModelBackend
from moto.sagemaker.responses import SageMakerResponse
from moto.ses.models import ConfigurationSet
from moto.sesv2 import urls as ses_urls
from moto.sesv2.responses import SESV2Response
from moto.sqs.models import Queue
from moto.stepfunctions.parser.models import StepFunctionsParserBackend
from moto.stepfunctions.responses import StepFunctionResponse

ACTIONS = dict.fromkeys(("list_tags_of_budget", "list_tags_of_target"), "list_tags_for_resource")
"""Of functions that are not called as their action is."""


@cache
def add() -> None:
    """Give moto's classes what they lack."""
    # A queue's answer to which others may use it for their dead letters.
    Queue.BASE_ATTRIBUTES.append("RedriveAllowPolicy")
    setattr(Queue, "redrive_allow_policy", None)  # noqa: B010 - moto declares none
    setattr(Queue, "attributes", property(attributes))  # noqa: B010
    keeps: dict[Any, Callable[[Any, dict[str, Any]], None]] = {
        DefaultCacheBehaviour: keep_cache_behaviour,
        Origin: keep_origin,
        ViewerCertificate: keep_certificate,
        LambdaFunction: keep_function,
    }
    for kind, keep in keeps.items():
        kind.__init__ = after(kind.__init__, keep)
    destinations = (
        "{0}/v2/email/configuration-sets/(?P<ConfigurationSetName>[^/]+)/event-destinations$"
    )
    ses_urls.url_paths[destinations] = SESV2Response.dispatch
    added: dict[Any, tuple[Callable[..., Any], ...]] = {
        BudgetsResponse: (
            create_budget,
            describe_subscribers_for_notification,
            list_tags_of_budget,
        ),
        ApplicationAutoScalingResponse: (register_scalable_target, list_tags_of_target),
        APIGatewayResponse: (create_rest_api,),
        LambdaFunction: (get_configuration,),
        SageMakerResponse: (
            create_domain,
            create_mlflow_tracking_server,
            describe_mlflow_tracking_server,
        ),
        SageMakerModelBackend: (_get_resource_from_arn,),
        StepFunctionResponse: (validate_state_machine_definition, list_state_machine_versions),
        SESV2Response: (
            create_email_identity,
            create_configuration_set_event_destination,
            get_configuration_set_event_destinations,
        ),
        ConfigurationSet: (to_dict_v2,),
    }
    for kind, methods in added.items():
        for method in methods:
            setattr(kind, ACTIONS.get(method.__name__, method.__name__), method)


_attributes: Callable[[Queue], dict[str, Any]] = vars(Queue)["attributes"].fget
_create_rest_api = APIGatewayResponse.create_rest_api
_get_configuration = LambdaFunction.get_configuration
_create_budget = BudgetsResponse.create_budget
_create_domain = SageMakerResponse.create_domain
_create_email_identity = SESV2Response.create_email_identity
_register_scalable_target = ApplicationAutoScalingResponse.register_scalable_target
_resource_of = SageMakerModelBackend._get_resource_from_arn


def after(init: Callable[..., None], keep: Callable[[Any, dict[str, Any]], None]) -> Any:
    """A constructor that also keeps what moto drops of the dictionary that it is given."""

    @wraps(init)
    def made(self: Any, *given: Any, **named: Any) -> None:
        config = next(one for one in (*given, *named.values()) if isinstance(one, dict))
        keep_later = dict(config)
        init(self, *given, **named)
        keep(self, keep_later)

    return made


def keep_cache_behaviour(self: DefaultCacheBehaviour, config: dict[str, Any]) -> None:
    """Where a policy says what is forwarded, nothing else does."""
    if config.get("CachePolicyId"):
        vars(self)["forwarded_values"] = None


def keep_origin(self: Origin, config: dict[str, Any]) -> None:
    """How requests to a bucket are signed."""
    vars(self)["origin_access_control_id"] = config.get("OriginAccessControlId") or ""


def keep_certificate(self: ViewerCertificate, config: dict[str, Any]) -> None:
    """CloudFront's own certificate takes no choice of a method."""
    vars(self)["ssl_support_method"] = config.get("SSLSupportMethod")


def keep_function(self: LambdaFunction, spec: dict[str, Any]) -> None:
    """Where a function's logs go."""
    vars(self)["logging_config"] = spec.get("LoggingConfig")


def get_configuration(self: LambdaFunction, on_create: bool = False) -> dict[str, Any]:
    """With the logs, and without an image's configuration where there is none."""
    told: dict[str, Any] = _get_configuration(self, on_create)
    if not any(told.get("ImageConfigResponse", {}).get("ImageConfig", {}).values()):
        told.pop("ImageConfigResponse", None)
    return told | {"LoggingConfig": vars(self)["logging_config"]}


def attributes(self: Queue) -> dict[str, Any]:
    """Policies as they were written, without spaces."""
    told = _attributes(self)
    if told.get("RedrivePolicy"):
        policy = json.loads(told["RedrivePolicy"])
        told["RedrivePolicy"] = json.dumps(policy, separators=(",", ":"))
    return told


def create_rest_api(self: APIGatewayResponse) -> Any:
    """With the types that are binary."""
    status, headers, body = _create_rest_api(self)
    if status < 300:
        api = self.backend.apis[json.loads(body)["id"]]
        api.binaryMediaTypes = self._get_param("binaryMediaTypes") or []
        body = json.dumps(api.to_dict())
    return status, headers, body


def create_budget(self: BudgetsResponse) -> str:
    """With its tags."""
    told = _create_budget(self)
    budgets = self.backend.budgets[self._get_param("AccountId")]
    budget = budgets[self._get_param("Budget")["BudgetName"]]
    vars(budget)["tags"] = self._get_param("ResourceTags", [])
    return told


def list_tags_of_budget(self: BudgetsResponse) -> str:
    """The tags of a budget."""
    account, _, name = self._get_param("ResourceARN").split(":", 4)[4].partition(":budget/")
    return json.dumps({"ResourceTags": vars(self.backend.budgets[account][name])["tags"]})


def describe_subscribers_for_notification(self: BudgetsResponse) -> str:
    """Who is told when a budget is spent."""
    budgets = self.backend.budgets[self._get_param("AccountId")]
    wanted = self._get_param("Notification")
    found = [
        subscriber
        for notification in budgets[self._get_param("BudgetName")].notifications
        if notification.details == wanted
        for subscriber in notification.subscribers
    ]
    return json.dumps({"Subscribers": found})


def register_scalable_target(self: ApplicationAutoScalingResponse) -> str:
    """With its tags."""
    told = _register_scalable_target(self)
    kept = vars(self.applicationautoscaling_backend).setdefault("tags_of_targets", {})
    kept.setdefault(json.loads(told)["ScalableTargetARN"], self._get_param("Tags") or {})
    return told


def list_tags_of_target(self: ApplicationAutoScalingResponse) -> str:
    """The tags of a scalable target."""
    kept = vars(self.applicationautoscaling_backend)["tags_of_targets"]
    return json.dumps({"Tags": kept[self._get_param("ResourceARN")]})


def create_domain(self: SageMakerResponse) -> ActionResult:
    """With the id, which is the end of its ARN."""
    told: Any = _create_domain(self).result
    return ActionResult(told | {"DomainId": told["DomainArn"].rpartition("/")[2]})


def create_mlflow_tracking_server(self: SageMakerResponse) -> ActionResult:
    """At once: no server is started."""
    given: dict[str, Any] = json.loads(self.body)
    name = given["TrackingServerName"]
    arn = f"arn:aws:sagemaker:{self.region}:{self.current_account}:mlflow-tracking-server/{name}"
    server = SimpleNamespace(tags=given.pop("Tags", []), arn=arn, given=given)
    _tracking_servers(self.sagemaker_backend)[name] = server
    return ActionResult({"TrackingServerArn": arn})


def describe_mlflow_tracking_server(self: SageMakerResponse) -> ActionResult:
    """As it was asked for."""
    server = _tracking_servers(self.sagemaker_backend)[self._get_param("TrackingServerName")]
    state = {"TrackingServerArn": server.arn, "TrackingServerStatus": "Created"}
    return ActionResult({"MlflowVersion": "2.16.2", **server.given, **state})


def _get_resource_from_arn(self: SageMakerModelBackend, arn: str) -> Any:
    """What tags belong to; moto knows no tracking servers."""
    kind, _, name = arn.rpartition(":")[2].partition("/")
    if kind == "mlflow-tracking-server":
        return _tracking_servers(self)[name]
    return _resource_of(self, arn)


def _tracking_servers(backend: SageMakerModelBackend) -> dict[str, SimpleNamespace]:
    found: dict[str, SimpleNamespace] = vars(backend).setdefault("tracking_servers", {})
    return found


def validate_state_machine_definition(self: StepFunctionResponse) -> str:
    """By the parser that executes machines."""
    try:
        StepFunctionsParserBackend._validate_definition(self._get_param("definition"))
    except AWSError as error:
        wrong = {"severity": "ERROR", "code": "SCHEMA_VALIDATION_FAILED", "message": str(error)}
        return json.dumps({"result": "FAIL", "diagnostics": [wrong]})
    return json.dumps({"result": "OK", "diagnostics": []})


def list_state_machine_versions(self: StepFunctionResponse) -> str:
    """The newest that was published, if any was."""
    machine = self.stepfunction_backend.describe_state_machine(self._get_param("stateMachineArn"))
    latest = machine.latest_version
    return json.dumps(
        {"stateMachineVersions": [{"stateMachineVersionArn": latest.arn}] if latest else []}
    )


def create_email_identity(self: SESV2Response) -> str:
    """With its tags, and without the time of its key, which moto tells in words."""
    told: dict[str, Any] = json.loads(_create_email_identity(self))
    identity = self.sesv2_backend.get_email_identity(self._get_param("EmailIdentity"))
    identity.dkim_attributes.pop("LastKeyGenerationTimestamp", None)
    # moto keeps the tags under an ARN that SES does not have.
    arn = f"arn:aws:ses:{self.region}:{self.current_account}:identity/{identity.email_identity}"
    self.sesv2_backend.core_backend.tagger.tag_resource(arn, identity.tags or [])
    return json.dumps(told | {"DkimAttributes": identity.dkim_attributes})


def create_configuration_set_event_destination(self: SESV2Response) -> str:
    """Where SES tells what became of mails."""
    destinations = _destinations(self)
    name = self._get_param("EventDestinationName")
    destinations[name] = {"Name": name, **self._get_param("EventDestination")}
    return "{}"


def get_configuration_set_event_destinations(self: SESV2Response) -> str:
    """Those of a configuration set."""
    return json.dumps({"EventDestinations": list(_destinations(self).values())})


def _destinations(self: SESV2Response) -> dict[str, Any]:
    found = self.sesv2_backend.get_configuration_set(self._get_param("ConfigurationSetName"))
    destinations: dict[str, Any] = vars(found).setdefault("event_destinations_v2", {})
    return destinations


def to_dict_v2(self: ConfigurationSet) -> dict[str, Any]:
    """moto tells a map where SES tells whether mails are sent."""
    return {
        "ConfigurationSetName": self.configuration_set_name,
        "TrackingOptions": self.tracking_options or None,
        "DeliveryOptions": self.delivery_options,
        "ReputationOptions": self.reputation_options,
        "SendingOptions": {"SendingEnabled": True, **(self.enabled or {})},
        "SuppressionOptions": self.suppression_options,
        "Tags": self.tags,
    }
