"""The cost model: its arithmetic, and that the document is what it computes."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest
import yaml

from faceflow_ml.errors import ConfigError
from infra import cost, cost_inputs
from pipelines.config import EndpointConfig

ROOT = Path(__file__).parents[2]
SEEN = cost_inputs.Measured(
    faces_of_a_photo=2.0,
    detection_ms=10.0,
    embedding_ms=20.0,
    units=60.0,
    face_units=8.0,
    bytes=5000.0,
    face_bytes=1500.0,
)


@pytest.fixture(scope="module")
def inputs() -> cost_inputs.Inputs:
    return cost_inputs.load()


def changed(inputs: cost_inputs.Inputs, section: str, **values: object) -> cost_inputs.Inputs:
    part = getattr(inputs, section).model_copy(update=values)
    return inputs.model_copy(update={section: part})


def test_the_document_is_what_is_computed(inputs: cost_inputs.Inputs) -> None:
    document = (ROOT / "docs/cost.md").read_text()
    assert document == cost.render(
        inputs, cost_inputs.Measured.model_validate(cost.written(document))
    )


def test_the_benchmarks_can_be_read() -> None:
    seen = cost.measured()
    assert 0.5 < seen.faces_of_a_photo < 10
    assert 0 < seen.core_seconds < 1


def test_benchmarks_without_the_numbers_are_refused(tmp_path: Path) -> None:
    (tmp_path / "benchmarks-serving.md").write_text("| detection | 1 | 5 |\n")
    (tmp_path / "benchmarks-app.md").write_text("")
    (tmp_path / "benchmarks-rows.md").write_text("")
    with pytest.raises(ValueError, match="benchmarks-"):
        cost.measured(tmp_path)


def test_unknown_and_missing_inputs_are_refused(tmp_path: Path) -> None:
    given = yaml.safe_load(cost_inputs.INPUTS.read_text())
    given["usage"]["photo_of_a_user"] = given["usage"].pop("photos_of_a_user")
    (tmp_path / "cost.yaml").write_text(yaml.safe_dump(given))
    with pytest.raises(ConfigError) as failed:
        cost_inputs.load(tmp_path / "cost.yaml")
    assert "there is no usage.photo_of_a_user" in str(failed.value)
    assert "usage.photos_of_a_user is not set" in str(failed.value)


@pytest.mark.parametrize("text", ["prices: [", "prices: 3\n", None])
def test_bad_inputs_end_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str | None
) -> None:
    inputs, out = tmp_path / "cost.yaml", tmp_path / "cost.md"
    if text is not None:
        inputs.write_text(text)
    assert cost.main(["--inputs", str(inputs), "--out", str(out)]) == 2
    said = capsys.readouterr().err
    assert said.startswith("Error: ") and said.count("\n") == 1 and str(inputs) in said
    assert not out.exists()


def test_a_photo_takes_processor_time_with_its_faces() -> None:
    assert SEEN.core_seconds == pytest.approx(0.05)


def test_originals_get_cheaper_with_age(inputs: cost_inputs.Inputs) -> None:
    tiers = inputs.prices.s3_gb_month
    use = inputs.usage.model_copy(update={"original_mb": 1000.0, "months_kept": 5})
    each = tiers.frequent + 2 * tiers.infrequent + 2 * tiers.archive_instant
    assert cost.stored_originals(use, tiers) == pytest.approx(each)
    one = use.model_copy(update={"months_kept": 1})
    assert cost.stored_originals(one, tiers) == pytest.approx(tiers.frequent)


def test_further_faces_add_to_a_photo_with_one() -> None:
    assert cost.of_rows(60.0, 8.0, SEEN) == 68.0


def test_instances_are_for_the_busiest_hour(inputs: cost_inputs.Inputs) -> None:
    few = changed(inputs, "usage", peak=1.0, utilisation=1.0)
    few = changed(few, "stack", instance_cores=1, instances_at_least=1, models=1)
    month = cost.HOURS * 3600
    assert cost.instances(0, few, SEEN) == 1
    assert cost.instances(20 * month, few, SEEN) == 1  # 20 a second at 0.05 s each
    assert cost.instances(21 * month, few, SEEN) == 2
    assert cost.instances(20 * month, changed(few, "usage", peak=3.0), SEEN) == 3


def test_both_cost_the_same_where_they_break_even(inputs: cost_inputs.Inputs) -> None:
    dear, dearer = (
        changed(inputs, "prices", serverless_gb_second=price) for price in (0.0002, 0.001)
    )
    for one in (dear, dearer):
        photos = cost.break_even(one, SEEN)
        assert cost.by_serverless(photos, one, SEEN) == pytest.approx(
            cost.by_instances(photos, one, SEEN), rel=1e-6
        )
        assert cost.by_serverless(0.9 * photos, one, SEEN) < cost.by_instances(
            0.9 * photos, one, SEEN
        )
    assert cost.break_even(dearer, SEEN) < cost.break_even(dear, SEEN)


def test_instances_that_wait_never_win(inputs: cost_inputs.Inputs) -> None:
    idle = changed(inputs, "usage", peak=10_000.0)
    assert math.isinf(cost.break_even(idle, SEEN))
    assert "every volume" in cost.render(idle, SEEN)


def test_a_bill_grows_with_photos_and_has_a_floor(inputs: cost_inputs.Inputs) -> None:
    none, some, more = (cost.bill(photos, inputs, SEEN) for photos in (0, 1000, 2000))
    for name in none:
        assert none[name] <= some[name] <= more[name]
        # But for what is always there, twice the photos cost twice as much.
        assert more[name] - none[name] == pytest.approx(2 * (some[name] - none[name]))
    assert {name for name, value in none.items() if value} == {
        "Always there: VPC endpoints, firewalls, keys, alarms, MLflow",
        "Models: endpoints",
    }


def test_a_price_moves_its_line_alone(inputs: cost_inputs.Inputs) -> None:
    dear = changed(inputs, "prices", cdn_gb=2 * inputs.prices.cdn_gb)
    before, after = (cost.bill(1000, one, SEEN) for one in (inputs, dear))
    assert {name for name in before if before[name] != after[name]} == {"CloudFront"}


def test_the_stack_is_terraforms(inputs: cost_inputs.Inputs) -> None:
    network = (ROOT / "infra/terraform/modules/network/variables.tf").read_text()
    named = re.search(r'"interface_endpoints" \{.*?default = \[(.*?)\]', network, re.S)
    assert named is not None
    assert inputs.stack.interface_endpoints == len(re.findall(r'"[a-z.-]+"', named[1]))
    prod = (ROOT / "infra/terraform/envs/prod/main.tf").read_text()
    assert f"zones              = {inputs.stack.zones}\n" in prod
    model = (ROOT / "infra/terraform/modules/sagemaker/variables.tf").read_text()
    assert f"optional(number, {inputs.stack.instances_at_least})" in model
    assert EndpointConfig(name="x").instance_type == inputs.stack.instance_type
