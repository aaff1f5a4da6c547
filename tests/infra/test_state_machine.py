"""The ingestion state machine: its structure, and that it agrees with the application."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from api.domain.models import Job, JobKind, JobState
from api.ids import now
from api.workflow import context
from api.workflow.analysis import MAX_SIDE
from tests.infra import asl
from tests.infra.terraform import resources

ENDS = {"Done", "Failed"}
OURS = {"RetryLater"}
"""Errors of the application that are worth another try."""


@pytest.fixture(scope="module")
def machine() -> dict[str, Any]:
    return asl.definition()


def tasks(machine: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {name: s for name, s in asl.states(machine) if s["Type"] == "Task"}


def follow(states: dict[str, Any], start: str) -> set[str]:
    """States that can be reached, failures included."""
    seen: set[str] = set()
    going = [start]
    while going:
        name = going.pop()
        if name in seen:
            continue
        seen.add(name)
        state = states[name]
        steps = [state, *state.get("Choices", []), *state.get("Catch", [])]
        going += [step["Next"] for step in steps if "Next" in step]
        going += [state["Default"]] if "Default" in state else []
    return seen


def path(machine: dict[str, Any], photos: int) -> list[str]:
    """States that an album of so many photos goes through when all goes well."""
    name, taken = machine["StartAt"], []
    while True:
        taken.append(name)
        state = machine["States"][name]
        if state["Type"] in ("Succeed", "Fail"):
            return taken
        if state["Type"] != "Choice":
            name = state["Next"]
            continue
        for choice in state["Choices"]:
            if choice["Variable"] == "$.extracted.more":
                assert choice["BooleanEquals"] and choice["Next"] == "Extract"
                continue
            # All photos of the album came with this batch.
            assert choice["Variable"] in ("$.work.photos", "$.work.albumPhotos")
            if photos == choice.get("NumericEquals") or photos <= choice.get(
                "NumericLessThanEquals", -1
            ):
                name = choice["Next"]
                break
        else:
            name = state["Default"]


def test_every_place_has_a_value() -> None:
    assert asl.places() == set(asl.VALUES)
    assert "${" not in asl.render()


def test_a_parser_of_the_language_takes_it() -> None:
    parser = pytest.importorskip("moto.stepfunctions.parser.asl.parse.asl_parser")
    parser.AmazonStateLanguageParser.parse(asl.render())
    with pytest.raises(parser.ASLParserException):
        parser.AmazonStateLanguageParser.parse(asl.render().replace('"Next"', '"Nekst"', 1))


@pytest.mark.parametrize(
    ("photos", "middle"),
    [
        (0, ["HowManyFaces"]),
        (1, ["DetectSmall", "Embed", "HowManyFaces"]),
        (200, ["DetectSmall", "Embed", "HowManyFaces"]),
        (201, ["DetectLarge", "Embed", "HowManyFaces"]),
        (50000, ["DetectLarge", "Embed", "HowManyFaces"]),
        (50001, ["DetectVeryLarge", "Embed", "HowManyFaces"]),
    ],
)
def test_size_decides(machine: dict[str, Any], photos: int, middle: list[str]) -> None:
    cluster = "ClusterLarge" if photos > asl.VALUES["cluster_photos"] else "Cluster"
    assert path(machine, photos) == [
        "Extract",
        "MoreToExtract",
        "Deduplicate",
        "HowManyPhotos",
        *middle,
        cluster,
        "Notify",
        "Done",
    ]


def test_every_state_is_reached_and_every_step_leads_somewhere(machine: dict[str, Any]) -> None:
    assert follow(machine["States"], machine["StartAt"]) == set(machine["States"])
    for _, state in asl.states(machine):
        if "ItemProcessor" in state:
            inner = state["ItemProcessor"]
            assert follow(inner["States"], inner["StartAt"]) == set(inner["States"])
    last = {n for n, s in machine["States"].items() if s["Type"] in ("Succeed", "Fail")}
    assert last == ENDS


def test_kinds_of_work(machine: dict[str, Any]) -> None:
    states = machine["States"]
    small, large, huge = (states[f"Detect{size}"] for size in ("Small", "Large", "VeryLarge"))
    assert small["ItemProcessor"]["ProcessorConfig"]["Mode"] == "INLINE"
    assert 1 <= small["MaxConcurrency"] <= 40
    assert large["Resource"].endswith(":sagemaker:createProcessingJob.sync")
    arguments = large["Parameters"]["AppSpecification"]["ContainerArguments"]
    assert arguments == ["process", "--max-side", str(MAX_SIDE)], "as the functions look at them"
    for state in (huge, states["Embed"]):
        assert state["ItemProcessor"]["ProcessorConfig"]["Mode"] == "DISTRIBUTED"
        assert state["MaxConcurrency"] >= 1
        assert state["ItemReader"]["Parameters"]["Key.$"] == "$.work.manifestKey"
        # Results of a hundred thousand chunks do not fit into the state.
        assert "ResultWriter" in state


def test_the_size_of_the_album_decides_where_its_faces_are_grouped(machine: dict[str, Any]) -> None:
    (choice,) = machine["States"]["HowManyFaces"]["Choices"]
    assert choice["Variable"] == "$.work.albumPhotos" and choice["Next"] == "Cluster"


def test_everything_ends(machine: dict[str, Any]) -> None:
    assert machine["TimeoutSeconds"] > 0
    for name, task in tasks(machine).items():
        assert task["TimeoutSeconds"] > 0, name
    assert 0 < machine["States"]["ClusterLarge"]["HeartbeatSeconds"] < 600
    assert machine["States"]["ClusterLarge"]["Resource"].endswith(".waitForTaskToken")
    large = machine["States"]["DetectLarge"]
    limit = large["Parameters"]["StoppingCondition"]["MaxRuntimeInSeconds"]
    assert large["TimeoutSeconds"] > limit, "SageMaker stops the job, not we the waiting"


def test_states_read_what_others_have_written(machine: dict[str, Any]) -> None:
    known = {"userId", "albumId", "jobId", "batch", "failure.Error", "failure.Cause"}
    selected = machine["States"]["Deduplicate"]["ResultSelector"]
    known |= {f"work.{name.removesuffix('.$')}" for name in selected}
    extracted = machine["States"]["Extract"]["ResultSelector"]
    known |= {f"extracted.{name.removesuffix('.$')}" for name in extracted}
    within = {"photoIds", "ids.userId", "ids.albumId", "ids.jobId", "ids.batch"}
    for name, state in asl.states(machine):
        here = {k: v for k, v in state.items() if k not in ("ItemProcessor", "ResultSelector")}
        for kept in ("ResultPath", "Catch"):  # these write
            here.pop(kept, None)
        read = set(re.findall(r"(?<!\$)\$\.([A-Za-z.]+)", json.dumps(here)))
        assert read <= (within if "/" in name else known), name
        if "ItemSelector" in state:
            assert state["ItemSelector"].keys() == {"ids", "photoIds.$"}
            assert {f"ids.{k.removesuffix('.$')}" for k in state["ItemSelector"]["ids"]} < within


def test_every_task_is_tried_again_with_jitter(machine: dict[str, Any]) -> None:
    for name, state in asl.states(machine):
        if state["Type"] not in ("Task", "Map") or name == "DetectSmall":
            continue
        for retry in state["Retry"]:
            if retry["MaxAttempts"] == 0:
                continue
            assert retry["BackoffRate"] > 1, name
            assert retry["JitterStrategy"] == "FULL", name
            assert retry["MaxDelaySeconds"] >= retry["IntervalSeconds"], name
            named = {e for e in retry["ErrorEquals"] if "." not in e}
            assert named <= OURS, name
    assert all(hasattr(context, name) for name in OURS)


def test_every_failure_is_recorded(machine: dict[str, Any]) -> None:
    for name, state in machine["States"].items():
        if state["Type"] in ("Task", "Map") and name != "RecordFailure":
            (catch,) = state["Catch"]
            assert catch == {
                "ErrorEquals": ["States.ALL"],
                "ResultPath": "$.failure",
                "Next": "RecordFailure",
            }, name
    record = machine["States"]["RecordFailure"]
    assert record["Next"] == "Failed"
    assert [catch["Next"] for catch in record["Catch"]] == ["Failed"]


def test_the_record_is_that_of_a_job(machine: dict[str, Any]) -> None:
    """The update, done by hand on a job's row, gives the row of a failed job."""
    job = Job(
        id="J", kind=JobKind.INGEST, user_id="U", album_id="A", created_at=now(), updated_at=now()
    )
    given = {"userId": "U", "albumId": "A", "jobId": "J", "failure": {"Error": "JobFailed"}}
    update = machine["States"]["RecordFailure"]["Parameters"]
    key = {name: evaluate(value["S.$"], given) for name, value in update["Key"].items()}
    assert key == {"pk": job.key().pk, "sk": job.key().sk}

    names, values = update["ExpressionAttributeNames"], update["ExpressionAttributeValues"]
    item = dict(job.to_item())
    state, running = re.search(r"(#\w+) = (:\w+)", update["ConditionExpression"]).groups()  # type: ignore[union-attr]
    assert item[names[state]] == values[running]["S"]
    for name, value in re.findall(r"(#?\w+) = (:\w+)", update["UpdateExpression"]):
        attribute = names.get(name, name)
        assert attribute in item, attribute
        text = values[value]
        item[attribute] = text["S"] if "S" in text else evaluate(text["S.$"], given)
    failed = Job.from_item(item)
    assert failed.state is JobState.FAILED and "JobFailed" in str(failed.error)
    assert item["gsi1pk"] == failed.index_attributes()["gsi1pk"]


def evaluate(expression: str, given: dict[str, Any]) -> str:
    """`States.Format` with paths, or a field of the context."""
    if expression.startswith("$$."):
        return now()
    form, paths = re.fullmatch(r"States\.Format\('(.*)', (.*)\)", expression).groups()  # type: ignore[union-attr]
    found = []
    for place in paths.split(", "):
        value: Any = given
        for name in place.removeprefix("$.").split("."):
            value = value[name]
        found.append(str(value))
    return str(form.replace("{}", "%s") % tuple(found))


def test_terraform_renders_the_same(production: dict[str, Any]) -> None:
    (resource,) = resources(production, "aws_sfn_state_machine")
    rendered = json.loads(resource["values"]["definition"])
    assert "${" not in resource["values"]["definition"]
    assert [name for name, _ in asl.states(rendered)] == [
        name for name, _ in asl.states(asl.definition())
    ]
    functions = {
        task["Parameters"]["FunctionName"].rpartition(":")[2]
        for task in tasks(rendered).values()
        if task["Resource"].endswith("lambda:invoke")
    }
    assert functions <= {
        r["values"]["function_name"] for r in resources(production, "aws_lambda_function")
    }
    allowed = {
        resource.rpartition(":")[2]
        for policy in resources(production, "aws_iam_role_policy")
        if policy["address"].endswith('service["states"]')
        for statement in json.loads(policy["values"]["policy"])["Statement"]
        if "lambda:InvokeFunction" in statement["Action"]
        for resource in statement["Resource"]
    }
    assert functions <= allowed
