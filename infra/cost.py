"""What FaceFlow costs on AWS: ``python -m infra.cost --out docs/cost.md``.

Prices, use and the size of the stack are those of ``infra/cost.yaml``; how long the models take is
what the benchmarks measured. Sums are US dollars a month.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from faceflow_ml.errors import ConfigError
from faceflow_ml.files import atomic_write_text
from infra.cost_inputs import INPUTS, Inputs, Measured, Tiers, Usage, load

ROOT = Path(__file__).resolve().parents[1]
HOURS = 730.0
_SECONDS = HOURS * 3600
_KB = 1e6  # in a GB


def measured(docs: Path = ROOT / "docs") -> Measured:
    """What the benchmarks wrote.

    Raises:
        ValueError: they do not have it.
    """
    serving = (docs / "benchmarks-serving.md").read_text()
    application = (docs / "benchmarks-app.md").read_text()
    rows = (docs / "benchmarks-rows.md").read_text()

    def busy(task: str) -> float:
        """Processor time of a request, one after the other: the last column."""
        row = re.search(rf"^\| {task} \| 1 \|.*\| ([\d.]+) \|$", serving, re.M)
        if row is None:
            raise ValueError(f"benchmarks-serving.md has no row of {task} for one connection")
        return float(row[1])

    counted = re.search(r"(\d+) photos of fictional people, (\d+) faces", application)
    if counted is None:
        raise ValueError("benchmarks-app.md does not say how many faces there were")
    faces = round(int(counted[2]) / int(counted[1]), 2)
    return Measured(
        faces_of_a_photo=faces,
        detection_ms=busy("detection"),
        embedding_ms=busy("embedding"),
        **{name: value for name, value in written(rows).items() if name != "photos"},
    )


def stored_originals(usage: Usage, price: Tiers) -> float:
    """Dollars a month for all originals of one photo a month, each of a month's age tiered."""
    months = [price.frequent] + [price.infrequent] * 2
    months += [price.archive_instant] * max(0, usage.months_kept - 3)
    return usage.original_mb / 1000 * sum(months[: usage.months_kept])


def of_rows(first: float, further: float, seen: Measured) -> float:
    """Units or bytes of a photo with its faces, from those with one."""
    return first + (seen.faces_of_a_photo - 1) * further


def instances(photos: float, inputs: Inputs, seen: Measured) -> int:
    """Of all endpoints together, for the busiest hour; some are always there."""
    use, stack = inputs.usage, inputs.stack
    cores = photos * seen.core_seconds * use.peak / _SECONDS / use.utilisation
    return max(stack.models * stack.instances_at_least, math.ceil(cores / stack.instance_cores))


def by_instances(photos: float, inputs: Inputs, seen: Measured) -> float:
    """Endpoints with instances."""
    return instances(photos, inputs, seen) * HOURS * inputs.prices.instance_hour


def by_serverless(photos: float, inputs: Inputs, seen: Measured) -> float:
    """Serverless endpoints: seconds of their memory, and data."""
    price, stack = inputs.prices, inputs.stack
    seconds = seen.core_seconds / stack.serverless_cores
    data = inputs.usage.request_mb / 1000 * price.serverless_data_gb
    return photos * (seconds * stack.serverless_gb * price.serverless_gb_second + data)


def break_even(inputs: Inputs, seen: Measured) -> float:
    """Photos a month at which both cost the same, the least such number; infinite: instances,
    which grow with the busiest hour, never cost less."""
    each = by_serverless(1, inputs, seen)
    photos = by_instances(0, inputs, seen) / each
    while by_instances(photos, inputs, seen) > by_serverless(photos, inputs, seen) * (1 + 1e-9):
        if photos > 1e15:
            return math.inf
        photos = by_instances(photos, inputs, seen) / each
    return photos


def bill(photos: int, inputs: Inputs, seen: Measured) -> dict[str, float]:
    """Dollars of a month, by what they are for."""
    price, use, stack = inputs.prices, inputs.usage, inputs.stack
    faces, kept = seen.faces_of_a_photo, photos * use.months_kept
    table_gb = kept * of_rows(seen.bytes, seen.face_bytes, seen) / 1e9
    small_gb = kept * (use.thumbnail_kb + faces * (use.crop_kb + 2)) / _KB  # 2 KB: 512 float32
    writes = of_rows(seen.units, seen.face_units, seen)
    objects = 3 + faces  # original, thumbnail, vectors, a crop for each face
    seen_gb = (use.views * use.thumbnail_kb + use.full_views * use.original_mb * 1000) / _KB
    batches = photos / use.photos_of_a_batch
    processing = use.large_share * photos * seen.core_seconds / use.processing_cores / 3600
    through_endpoints = photos * (1 - use.large_share)
    endpoints_hours = stack.interface_endpoints * stack.zones * HOURS
    return {
        "Always there: VPC endpoints, firewalls, keys, alarms, MLflow": (
            endpoints_hours * price.endpoint_hour
            + stack.firewalls * price.firewall_month
            + stack.firewall_rules * price.firewall_rule_month
            + stack.keys * price.key_month
            + stack.secrets * price.secret_month
            + stack.alarms * price.alarm_month
            + price.dashboard_month
            + HOURS * price.mlflow_hour
        ),
        "Models: endpoints": by_instances(through_endpoints, inputs, seen),
        "Models: Processing jobs": processing * price.processing_hour,
        "S3: originals": photos * stored_originals(use, price.s3_gb_month)
        + kept * price.s3_tiering_object_month,
        "S3: thumbnails, crops, vectors": small_gb * price.s3_gb_month.frequent,
        "S3: requests": photos
        * (objects * price.s3_put + (4 + use.views + use.full_views) * price.s3_get),
        "DynamoDB: requests": photos
        * (writes * price.dynamodb_write_unit + use.reads_of_a_photo * price.dynamodb_read_unit),
        "DynamoDB: storage, recovery": table_gb
        * (price.dynamodb_gb_month + price.dynamodb_recovery_gb_month),
        "Lambda": photos
        * (
            use.function_gb_seconds * price.lambda_gb_second
            + (use.function_calls + use.api_calls) * price.lambda_call
        ),
        "API Gateway, firewall": photos * use.api_calls * (price.api_call + price.firewall_call),
        "Step Functions, queues, events": batches * use.transitions_of_a_batch * price.transition
        + photos * (2 * price.queue_call + price.event),
        "CloudFront": photos
        * (seen_gb * price.cdn_gb + (use.views + use.full_views) * price.cdn_call),
        "Logs": photos * use.log_kb / _KB * price.log_gb,
        "Cognito, mail": photos / use.photos_of_a_user * price.active_user
        + photos * use.mails * price.mail,
    }


def render(inputs: Inputs, seen: Measured) -> str:
    """The document."""
    use, price, stack = inputs.usage, inputs.prices, inputs.stack
    bills = [bill(photos, inputs, seen) for photos in use.photos_a_month]
    sums = [sum(one.values()) for one in bills]
    heads = [f"{photos:,}" for photos in use.photos_a_month]
    lines = [
        "# Cost",
        "",
        "Written by `python -m infra.cost --out docs/cost.md`; do not edit. US dollars a month by"
        f" list prices of {price.region}, {price.date}, without free tiers and discounts. No bill"
        " stands behind this: what a photo brings with it are assumptions in"
        " [infra/cost.yaml](../infra/cost.yaml), except what is measured:",
        f"{seen.faces_of_a_photo} faces a photo ([benchmarks-app.md](benchmarks-app.md)),"
        f" {seen.detection_ms:g} ms of a processor for a photo and {seen.embedding_ms:g} ms for a"
        " face ([benchmarks-serving.md](benchmarks-serving.md)),"
        f" {of_rows(seen.units, seen.face_units, seen):.0f} write units and"
        f" {of_rows(seen.bytes, seen.face_bytes, seen):,.0f} bytes of the table"
        " ([benchmarks-rows.md](benchmarks-rows.md)).",
        "",
        f"Sources: {price.source}. They were not fetched by a program: compare before deciding.",
        "",
        "## A month",
        "",
        f"Month {use.months_kept} at the same rate, with all photos of {use.months_kept} months"
        f" stored. {use.large_share:.0%} of photos come in batches that go to Processing jobs.",
        "",
        _row(["photos a month", *heads]),
        _row(["---", *["---:"] * len(heads)]),
        *(_row([name, *(_usd(one[name]) for one in bills)]) for name in bills[0]),
        _row(["**all**", *(f"**{_usd(total)}**" for total in sums)]),
        _row(
            [
                "for 1,000 photos",
                *(
                    _usd(1000 * total / photos)
                    for total, photos in zip(sums, use.photos_a_month, strict=True)
                ),
            ]
        ),
        "",
        "## Serverless against instances",
        "",
        f"Both models, all photos through endpoints. Instances: {stack.instance_type}, at least"
        f" {stack.instances_at_least} for each model, enough for an hour with {use.peak:g} times"
        f" the mean at {use.utilisation:.0%} load. Serverless: {stack.serverless_gb:g} GB of"
        " memory.",
        "",
        _row(["photos a month", "instances", "instances, USD", "serverless, USD"]),
        _row(["---:", "---:", "---:", "---:"]),
        *(
            _row(
                [
                    f"{photos:,}",
                    str(instances(photos, inputs, seen)),
                    _usd(by_instances(photos, inputs, seen)),
                    _usd(by_serverless(photos, inputs, seen)),
                ]
            )
            for photos in (*use.photos_a_month, 10 * use.photos_a_month[-1])
        ),
        "",
        _verdict(break_even(inputs, seen)),
        "What serverless lacks: bodies above 4 MB, more than 200 invocations at a time, a VPC of"
        " its own and gradual shifting of traffic; the first request after a pause waits for a"
        " container.",
        "",
        "## What weighs most",
        "",
        *(_heaviest(photos, one) for photos, one in zip(use.photos_a_month, bills, strict=True)),
        "",
        f"<!-- measured: {seen.model_dump_json()} -->",
        "",
    ]
    return "\n".join(lines)


def _verdict(photos: float) -> str:
    if math.isinf(photos):
        return "Serverless costs less at every volume: instances wait for the busiest hour."
    return f"**Break-even: {photos:,.0f} photos a month.** Below it serverless costs less."


def _heaviest(photos: int, one: dict[str, float]) -> str:
    total = sum(one.values())
    names = sorted(one, key=lambda name: -one[name])[:3]
    return f"- {photos:,} photos: " + ", ".join(
        f"{name} ({one[name] / total:.0%})" for name in names
    )


def _usd(value: float) -> str:
    return f"{value:,.2f}" if value < 100 else f"{value:,.0f}"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def written(document: str) -> dict[str, float]:
    """The numbers that a document ends with.

    Raises:
        ValueError: there are none.
    """
    found = re.search(r"^<!-- measured: (.*) -->$", document, re.M)
    if found is None:
        raise ValueError("the document does not end with what was measured")
    numbers: dict[str, float] = json.loads(found[1])
    return numbers


def main(words: Sequence[str] | None = None) -> int:
    """Write the document. Status: 0 done, 2 the inputs cannot be used."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--inputs", type=Path, default=INPUTS)
    options = parser.parse_args(words)
    try:
        document = render(load(options.inputs), measured())
    except (ConfigError, ValueError) as error:
        sys.stderr.write(f"Error: {error}\n")
        return 2
    atomic_write_text(options.out, document)
    return 0


if __name__ == "__main__":
    sys.exit(main())
