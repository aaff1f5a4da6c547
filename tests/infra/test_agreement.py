"""What Terraform makes is what the code expects: keys, indexes, names, events, object keys."""

from __future__ import annotations

import fnmatch
import importlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from api import event_bus
from api.aws import AwsSettings
from api.objects import keys
from api.repositories.table import Index
from api.routers.config import client_config
from api.routers.schemas.config import HostedSignIn
from api.settings import Settings
from pipelines.config import load_pipeline_config
from pipelines.deployment import events
from pipelines.retraining.schedule import Schedule
from tests.infra.terraform import resources

CONFIG = Path(__file__).parents[2] / "configs/pipeline/default.yaml"
WEEKLY = Path(__file__).parents[1] / "pipelines/golden/retraining.json"
OWN = {
    # Of the stores on AWS, see docs/infra.md.
    "FACEFLOW_TABLE",
    "FACEFLOW_RAW_BUCKET",
    "FACEFLOW_DERIVED_BUCKET",
    "FACEFLOW_EMBEDDINGS_BUCKET",
    "FACEFLOW_EXPORTS_BUCKET",
    "FACEFLOW_KMS_KEY",
    "FACEFLOW_CDN_URL",
    "FACEFLOW_CORRECTIONS_URI",
    "FACEFLOW_JOBS_QUEUE_URL",
    "FACEFLOW_STATE_MACHINE_ARN",
    "FACEFLOW_EVENT_BUS",
    "FACEFLOW_MAIL_CONFIGURATION",
    "FACEFLOW_DETECTION_ENDPOINT",
    "FACEFLOW_EMBEDDING_ENDPOINT",
    "FACEFLOW_SIGNING_KEYS_SECRET",
    "FACEFLOW_URL_SIGNER_SECRET",
    "FACEFLOW_URL_SIGNER_KEY_ID",
    "FACEFLOW_SOCKETS_URL",
}


def one(state: dict[str, Any], kind: str, ending: str = "") -> dict[str, Any]:
    (found,) = [r["values"] for r in resources(state, kind) if r["address"].endswith(ending)]
    return dict(found)


def environment(state: dict[str, Any], function: str) -> dict[str, str]:
    (found,) = [
        r["values"]
        for r in resources(state, "aws_lambda_function")
        if r["values"]["function_name"] == f"faceflow-prod-{function}"
    ]
    return dict(found["environment"][0]["variables"])


def test_table(production: dict[str, Any]) -> None:
    table = one(production, "aws_dynamodb_table")
    assert (table["hash_key"], table["range_key"]) == ("pk", "sk")
    local = {i["name"]: i["range_key"] for i in table["local_secondary_index"]}
    assert local == {Index.LSI1.name: Index.LSI1.value}
    others = {i["name"]: (i["hash_key"], i["range_key"]) for i in table["global_secondary_index"]}
    assert others == {
        index.name: (f"{index.value}pk", f"{index.value}sk") for index in (Index.GSI1, Index.GSI2)
    }
    assert table["ttl"][0]["attribute_name"] == "expiresAt"


def test_environment_is_read(production: dict[str, Any]) -> None:
    known = {f"FACEFLOW_{name.upper()}" for name in Settings.model_fields}
    for function in ("api", "sockets", "extract", "jobs"):
        given = {n for n in environment(production, function) if n.startswith("FACEFLOW_")}
        assert given <= known | OWN
        assert {"FACEFLOW_PUBLIC_URL", "FACEFLOW_JWT_ISSUER", "FACEFLOW_JWT_AUDIENCE"} <= given
        # A secret's place, never the secret.
        assert "FACEFLOW_SIGNING_KEYS" not in given


def test_settings_take_the_environment(
    production: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment(production, "api").items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    assert settings.app_env == "prod"
    assert settings.public_url == "https://photos.example.org"
    places = AwsSettings()  # refuses what is missing
    assert places.table == "faceflow-prod" and places.kms_key is not None
    assert settings.jwt_issuer == "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Mocked123"


def test_the_web_client_is_told_how_to_sign_in(
    production: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment(production, "api").items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    told = client_config(settings)
    assert isinstance(told.sign_in, HostedSignIn)
    client = one(production, "aws_cognito_user_pool_client")
    domain = one(production, "aws_cognito_user_pool_domain")["domain"]
    assert told.sign_in.client_id == client["id"]
    assert told.sign_in.url == f"https://{domain}.auth.eu-west-1.amazoncognito.com"
    assert set(told.sign_in.scopes) <= set(client["allowed_oauth_scopes"])
    # As frontend/web/src/auth/hosted.ts sends them.
    assert f"{settings.public_url}/signin/callback/" in client["callback_urls"]
    assert f"{settings.public_url}/" in client["logout_urls"]
    assert told.events_url == "wss://f6g7h8i9j0.execute-api.eu-west-1.amazonaws.com/main"
    (rule,) = one(production, "aws_s3_bucket_cors_configuration")["cors_rule"]
    assert rule["allowed_origins"] == [settings.public_url]


def test_codes_of_sign_up_come_from_the_mail_domain(production: dict[str, Any]) -> None:
    (mail,) = one(production, "aws_cognito_user_pool")["email_configuration"]
    assert mail["email_sending_account"] == "DEVELOPER"
    assert mail["source_arn"].endswith(":identity/example.org")
    assert mail["from_email_address"] == environment(production, "api")["FACEFLOW_MAIL_FROM"]


def test_names_are_those_of_the_pipeline(production: dict[str, Any]) -> None:
    config = load_pipeline_config(CONFIG)
    groups = {
        r["values"]["model_package_group_name"]
        for r in resources(production, "aws_sagemaker_model_package_group")
    }
    assert groups == set(config.groups.values())
    endpoints = {e.name for e in config.deploy.endpoints.values()}
    variants = {f"endpoint/{e.name}/variant/{e.variant}" for e in config.deploy.endpoints.values()}
    scaled = {
        r["values"]["resource_id"] for r in resources(production, "aws_appautoscaling_target")
    }
    assert scaled == variants
    given = environment(production, "api")
    assert {given["FACEFLOW_DETECTION_ENDPOINT"], given["FACEFLOW_EMBEDDING_ENDPOINT"]} == endpoints
    repositories = {r["values"]["name"] for r in resources(production, "aws_ecr_repository")}
    images = {image.rpartition("/")[2].partition(":")[0] for image in config.images.values()}
    assert images <= repositories


def test_weekly_retraining_is_the_schedule_of_the_command(production: dict[str, Any]) -> None:
    made = one(production, "aws_scheduler_schedule", "retrain")
    (target,) = made["target"]
    wanted = Schedule(
        pipeline_arn=target["arn"],
        role_arn=target["role_arn"],
        dead_letter_arn=target["dead_letter_config"][0]["arn"],
    ).to_request()
    assert made["name"] == wanted["Name"]
    assert made["description"] == wanted["Description"]
    assert made["schedule_expression"] == wanted["ScheduleExpression"]
    assert made["schedule_expression_timezone"] == wanted["ScheduleExpressionTimezone"]
    assert made["state"] == wanted["State"]
    window = made["flexible_time_window"][0]
    assert window == {
        "mode": wanted["FlexibleTimeWindow"]["Mode"],
        "maximum_window_in_minutes": wanted["FlexibleTimeWindow"]["MaximumWindowInMinutes"],
    }
    retries = wanted["Target"]["RetryPolicy"]
    assert target["retry_policy"][0] == {
        "maximum_event_age_in_seconds": retries["MaximumEventAgeInSeconds"],
        "maximum_retry_attempts": retries["MaximumRetryAttempts"],
    }
    weekly = load_pipeline_config(CONFIG.with_name("retraining.yaml"))
    assert target["arn"].endswith(f":pipeline/{weekly.name}")


def test_corrections_are_published_where_they_are_read(production: dict[str, Any]) -> None:
    uri = environment(production, "jobs")["FACEFLOW_CORRECTIONS_URI"]
    assert environment(production, "api")["FACEFLOW_CORRECTIONS_URI"] == uri
    weekly = one(production, "aws_scheduler_schedule", "retrain")
    (parameters,) = weekly["target"][0]["sagemaker_pipeline_parameters"]
    given = {one["name"]: one["value"] for one in parameters["pipeline_parameter"]}
    assert given == {"CorrectionsUri": uri}
    definition = json.loads(WEEKLY.read_text())
    assert given.keys() <= {parameter["Name"] for parameter in definition["Parameters"]}

    nightly = one(production, "aws_scheduler_schedule", "corrections")
    (target,) = nightly["target"]
    assert json.loads(target["input"]) == {"work": "corrections"}
    assert target["arn"].endswith(":faceflow-prod-jobs")
    at, then = (
        re.findall(r"\d+|\?|\*|MON", made["schedule_expression"]) for made in (nightly, weekly)
    )
    assert at[2:5] == ["*", "*", "?"], "every day, within the days that the reader allows"
    window = nightly["flexible_time_window"][0]["maximum_window_in_minutes"]
    assert (int(then[1]) - int(at[1])) * 60 - window >= 120, "before the pipeline reads"


def test_approval_deploys(production: dict[str, Any]) -> None:
    rule = one(production, "aws_cloudwatch_event_rule", "model_approved")
    pattern = json.loads(rule["event_pattern"])
    assert pattern["detail-type"] == [events.DETAIL_TYPE]
    assert set(pattern["detail"]["ModelPackageGroupName"]) == set(
        load_pipeline_config(CONFIG).groups.values()
    )
    given = environment(production, "deploy")
    assert given.keys() == {events.CONFIG_VARIABLE, events.BUS_VARIABLE}
    assert given[events.CONFIG_VARIABLE].endswith("configs/pipeline/default.yaml")
    (function,) = [
        r["values"]
        for r in resources(production, "aws_lambda_function")
        if r["values"]["function_name"] == "faceflow-prod-deploy"
    ]
    module, _, name = function["image_config"][0]["command"][0].rpartition(".")
    assert callable(getattr(importlib.import_module(module), name))


def test_after_an_update_the_deployer_is_asked_again(production: dict[str, Any]) -> None:
    pattern = json.loads(
        one(production, "aws_cloudwatch_event_rule", "endpoint_serves")["event_pattern"]
    )
    assert pattern["detail-type"] == [events.ENDPOINT_DETAIL_TYPE]
    endpoints = load_pipeline_config(CONFIG).deploy.endpoints.values()
    assert set(pattern["detail"]["EndpointName"]) == {endpoint.name for endpoint in endpoints}


def test_a_new_contract_is_heard_of(production: dict[str, Any]) -> None:
    rule = one(production, "aws_cloudwatch_event_rule", "contract_changed")
    assert json.loads(rule["event_pattern"]) == {
        "source": ["faceflow.pipeline"],
        "detail-type": [events.CONTRACT_CHANGED],
    }


def test_what_happens_in_albums_is_pushed(production: dict[str, Any]) -> None:
    rule = one(production, "aws_cloudwatch_event_rule", "push")
    assert json.loads(rule["event_pattern"]) == {
        "source": [event_bus.SOURCE],
        "detail-type": [event_bus.DETAIL_TYPE],
    }


def test_functions_have_handlers(production: dict[str, Any]) -> None:
    found = 0
    for resource in resources(production, "aws_lambda_function"):
        for image in resource["values"]["image_config"]:
            module, _, name = image["command"][0].rpartition(".")
            assert callable(getattr(importlib.import_module(module), name)), module
            found += 1
    assert found == 10, "all but the API, which is a server"
    (task,) = resources(production, "aws_ecs_task_definition")
    (container,) = json.loads(task["values"]["container_definitions"])
    assert callable(importlib.import_module(container["command"][0]).main)


IDS = ("U", "A")


@pytest.mark.parametrize(
    ("key", "bucket"),
    [
        (keys.original(*IDS, "2026-01-02T03:04:05Z", "P", "jpg"), "raw"),
        (keys.thumbnail(*IDS, "P"), "derived"),
        (keys.crop(*IDS, "F"), "derived"),
        (keys.share_copy(*IDS, "S", "a.jpg"), "exports"),
        (keys.archive(*IDS, "S"), "exports"),
    ],
)
def test_signed_urls_find_their_bucket(production: dict[str, Any], key: str, bucket: str) -> None:
    distribution = one(production, "aws_cloudfront_distribution")
    behaviour = next(
        b
        for b in distribution["ordered_cache_behavior"]
        if fnmatch.fnmatchcase(key, b["path_pattern"])
    )
    assert behaviour["target_origin_id"] == bucket
    assert behaviour["trusted_key_groups"]


def test_uploads_wake_the_ingestion(production: dict[str, Any]) -> None:
    pattern = json.loads(one(production, "aws_cloudwatch_event_rule", "uploaded")["event_pattern"])
    (prefix,) = pattern["detail"]["object"]["key"]
    assert keys.original(*IDS, "2026-01-02T03:04:05Z", "P", "jpg").startswith(prefix["prefix"])
    assert pattern["detail"]["bucket"]["name"] == [
        environment(production, "api")["FACEFLOW_RAW_BUCKET"]
    ]
