"""What only the AWS home has: its settings, rotation of its keys, encryption, versions, paging."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError
from botocore.stub import Stubber
from pydantic import SecretStr

from api.aws import boto_clients, load_aws_settings, open_aws_services
from api.home import open_services
from api.keyring import Keyring
from api.objects import s3_store
from api.objects.cloudfront_signer import canned_policy
from api.objects.s3_store import Buckets, S3ObjectStore
from api.objects.store import NewObject
from api.repositories.dynamo_schema import ORDERS, table_definition
from api.repositories.dynamo_table import DynamoTable
from api.repositories.table import ABSENT, EXPIRY, ConditionFailed, Index, Key, Put, Update
from api.services import Services
from api.settings import Settings
from tests.api.contract.conftest import Account, aws_home
from tests.api.contract.emulator import Emulator

ROOT = Path(__file__).resolve().parents[3]
KEY = "tenant/alice/01/thumb/photo.jpg"
SECRETS = {
    "APP_ENV": "prod",
    "FACEFLOW_SIGNING_KEYS": "k" * 32,
    "FACEFLOW_JWT_ISSUER": "https://issuer.example",
}


@pytest.mark.parametrize("environment", ["dev", "prod"])
def test_every_missing_setting_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, environment: str
) -> None:
    monkeypatch.setenv("FACEFLOW_TABLE", "faceflow")
    monkeypatch.setenv("FACEFLOW_CDN_URL", "cdn.example")
    settings = Settings(
        app_env=environment,
        data=tmp_path,
        signing_keys=SecretStr("k" * 32),
        jwt_issuer="https://issuer.example",
    )
    with pytest.raises(ValueError, match="outside local") as failed:
        open_services(settings)
    said = str(failed.value)
    assert "FACEFLOW_RAW_BUCKET is not set" in said
    assert "FACEFLOW_EMBEDDING_ENDPOINT is not set" in said
    assert "FACEFLOW_CDN_URL is 'cdn.example'; it should be like https://" in said
    assert "FACEFLOW_TABLE" not in said


def test_a_region_has_to_be_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.delenv("AWS_REGION", raising=False)
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    with pytest.raises(ValueError, match="AWS_REGION is not set"):
        boto_clients()


def test_uploads_go_to_the_regions_own_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    url = boto_clients()("s3").generate_presigned_url(
        "put_object", Params={"Bucket": "photos", "Key": "a.jpg"}, HttpMethod="PUT"
    )
    assert url.startswith("https://photos.s3.eu-central-1.amazonaws.com/a.jpg?")
    assert "X-Amz-Algorithm=AWS4-HMAC-SHA256" in url


def test_the_application_says_what_is_missing_and_ends() -> None:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("FACEFLOW_", "APP_"))}
    command = [sys.executable, "-m", "api", "--port", "1"]
    ended = subprocess.run(
        command,
        cwd=ROOT,
        env=clean | SECRETS | {"FACEFLOW_SIGN_IN_URL": "https://sign-in.example"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ended.returncode == 2 and ended.stderr.count("\n") == 1
    assert ended.stderr.startswith("Error: outside local, AWS has to be described")
    assert "Traceback" not in ended.stderr


def test_settings_come_from_the_environment(
    account: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in account.settings.model_dump().items():
        if value is not None:
            monkeypatch.setenv(f"FACEFLOW_{name.upper()}", value)
    assert load_aws_settings() == account.settings


def test_secrets_come_from_secrets_manager(account: Account, aws_services: Services) -> None:
    keys = account.emulator.client("secretsmanager")
    secret = keys.create_secret(Name=f"{account.settings.table}-s", SecretString="n" * 40)["ARN"]

    def opened(**changes: str) -> Services:
        return open_aws_services(
            aws_services.settings,
            aws=account.settings.model_copy(update=changes),
            client=account.emulator.client,
        )

    signature = opened(signing_keys_secret=secret).keyring.sign("purpose", "message")
    assert not aws_services.keyring.is_valid("purpose", "message", signature)
    assert Keyring([b"n" * 40]).is_valid("purpose", "message", signature)
    for name in ("url_signer_secret", "signing_keys_secret"):
        with pytest.raises(ValueError, match="secret nowhere cannot be read"):
            opened(**{name: "nowhere"})
    with pytest.raises(ValueError, match="PEM"):
        opened(url_signer_secret=secret)


def test_one_machine_does_not_load_boto3(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from api.home import open_services;"
        "from api.settings import Settings;"
        f"open_services(Settings(data=Path({str(tmp_path)!r})));"
        "assert 'boto3' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=300)


def test_terraform_makes_the_same_table() -> None:
    text = (ROOT / "infra/terraform/modules/ddb/main.tf").read_text()
    assert re.search(r'hash_key\s+= "pk"\n\s+range_key\s+= "sk"', text)
    for index in Index:
        partition, sort = ORDERS[index]
        block = re.search(rf'name\s+= "{index.name}"\n(.*?)\n  \}}', text, re.DOTALL)
        assert block is not None
        assert re.search(rf'range_key\s+= "{sort[0]}"', block[1])
        assert re.search(r'projection_type = "ALL"', block[1])
        if partition != "pk":
            assert re.search(rf'hash_key\s+= "{partition}"', block[1])
    assert re.search(rf'attribute_name = "{EXPIRY}"\n\s+enabled\s+= true', text)


def test_the_emulator_makes_the_table_with_its_time_to_live(emulator: Emulator) -> None:
    client = emulator.client("dynamodb")
    client.create_table(**table_definition("whole"))
    try:
        client.update_time_to_live(
            TableName="whole", TimeToLiveSpecification={"Enabled": True, "AttributeName": EXPIRY}
        )
        found = client.describe_table(TableName="whole")["Table"]
        assert {one["IndexName"] for one in found["GlobalSecondaryIndexes"]} == {"GSI1", "GSI2"}
        assert found["LocalSecondaryIndexes"][0]["IndexName"] == "LSI1"
    finally:
        client.delete_table(TableName="whole")


@pytest.mark.parametrize(
    "reasons",
    [["TransactionConflict", "None"], ["None", "ThrottlingError"]],
    ids=["conflict", "throttled"],
)
def test_a_transaction_that_met_another_is_tried_again(
    emulator: Emulator, reasons: list[str]
) -> None:
    client = emulator.client("dynamodb")
    table = DynamoTable(client, "t")
    writes = [Update(Key("p", "a"), add={"n": 1}), Update(Key("p", "b"), add={"n": 1})]
    with Stubber(client) as stubber:
        _cancel(stubber, reasons)
        _cancel(stubber, reasons)
        stubber.add_response("transact_write_items", {})
        table.transact(writes)
        _cancel(stubber, ["TransactionConflict", "ConditionalCheckFailed"])
        with pytest.raises(ConditionFailed) as failed:
            table.transact(writes)
        assert failed.value.key == Key("p", "b")
        stubber.assert_no_pending_responses()
    table.close()


def _cancel(stubber: Stubber, codes: list[str]) -> None:
    stubber.add_client_error(
        "transact_write_items",
        "TransactionCanceledException",
        modeled_fields={"CancellationReasons": [{"Code": code} for code in codes]},
    )


def test_a_write_whose_answer_is_lost_happens_once(dynamo_table: DynamoTable) -> None:
    """The request that botocore repeats has the token of the first."""
    client = dynamo_table._client
    tokens: list[str] = []

    def lose(request: Any, **_: Any) -> Any:
        tokens.append(request.headers["X-Amz-Target"].decode().split(".")[1] + _token(request))
        if len(tokens) == 1:
            raise ConnectionClosedError(endpoint_url="https://dynamodb.example")
        return None

    client.meta.events.register("before-send.dynamodb.TransactWriteItems", lose)
    dynamo_table.write(Put(Key("p", "a"), {"x": 1}, ABSENT))
    assert len(tokens) == 2 and len(set(tokens)) == 1
    assert dynamo_table.get(Key("p", "a")) == {"x": 1}


def _token(request: Any) -> str:
    return str(json.loads(request.body)["ClientRequestToken"])


def test_what_a_batch_leaves_is_sent_again(emulator: Emulator) -> None:
    client = emulator.client("dynamodb")
    table = DynamoTable(client, "t")
    left = {"t": [{"PutRequest": {"Item": {"pk": {"S": "p"}, "sk": {"S": "b"}}}}]}
    keys = {"t": {"Keys": [{"pk": {"S": "p"}, "sk": {"S": "b"}}], "ConsistentRead": True}}
    with Stubber(client) as stubber:
        stubber.add_response("batch_write_item", {"UnprocessedItems": left})
        stubber.add_response("batch_write_item", {}, {"RequestItems": left})
        table.write_many([Put(Key("p", "a"), {}), Put(Key("p", "b"), {})])
        item = {"pk": {"S": "p"}, "sk": {"S": "a"}, "n": {"N": "1"}}
        stubber.add_response(
            "batch_get_item", {"Responses": {"t": [item]}, "UnprocessedKeys": keys}
        )
        stubber.add_response("batch_get_item", {"Responses": {"t": []}}, {"RequestItems": keys})
        assert table.get_many([Key("p", "a"), Key("p", "b")]) == [{"n": 1}, None]
        stubber.assert_no_pending_responses()
    table.close()


def test_items_that_are_too_large_are_refused(dynamo_table: DynamoTable) -> None:
    large = {"x": "x" * 401 * 1024}
    with pytest.raises(ValueError, match="size"):
        dynamo_table.write(Put(Key("p", "a"), large))
    with pytest.raises(ValueError, match="digits"):
        dynamo_table.write(Put(Key("p", "a"), {"n": 10**40 + 1}))
    assert dynamo_table.get(Key("p", "a")) is None


def test_a_query_reads_past_the_pages_of_dynamodb(dynamo_table: DynamoTable) -> None:
    # 1 MB a page: some ten of these items.
    items = [Put(Key("p", f"{n:02}"), {"x": "x" * 100_000, "n": n}) for n in range(30)]
    dynamo_table.write_many(items)
    page = dynamo_table.query("p", limit=25)
    assert [item["n"] for item in page.items] == list(range(25)) and page.cursor
    rest = dynamo_table.query("p", limit=25, cursor=page.cursor)
    assert [item["n"] for item in rest.items] == list(range(25, 30)) and rest.cursor is None
    assert len(list(dynamo_table.sort_keys("p"))) == 30


def test_keys_of_the_distribution_rotate(account: Account, aws_services: Services) -> None:
    aws_services.objects.put(KEY, b"bytes", "image/jpeg")
    old = aws_services.signer.sign_get(KEY, seconds=600)
    rotated = account.settings.model_copy(
        update={"url_signer_key_id": "K2", "url_signer_secret": account.secrets["K2"]}
    )
    after = open_aws_services(aws_services.settings, aws=rotated, client=account.emulator.client)
    new = after.signer.sign_get(KEY, seconds=600)
    for home in aws_home(aws_services):
        assert home.use(old).status_code == home.use(new).status_code == 200
        del account.edge.key_group["K1"]
        assert home.use(old).status_code == 403
        assert home.use(new).status_code == 200
        # The id of one key with the signature of the other.
        forged = replace(new, url=old.url.replace("K1", "K2"))
        assert home.use(forged).status_code == 403


def test_a_canned_policy_is_to_the_letter() -> None:
    assert canned_policy("https://d111.cloudfront.net/a.jpg?size=large", 1357034400) == (
        b'{"Statement":[{"Resource":"https://d111.cloudfront.net/a.jpg?size=large",'
        b'"Condition":{"DateLessThan":{"AWS:EpochTime":1357034400}}}]}'
    )


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        ("tenant/u/a/2024/05/06/p.jpg", "raw"),
        ("tenant/u/a/thumb/p.jpg", "derived"),
        ("tenant/u/a/crops/f.jpg", "derived"),
        ("tenant/u/a/people/state/e.npz", "derived"),
        ("tenant/u/a/p.npy", "embeddings"),
        ("tenant/u/a/people/vectors/c/1.npy", "embeddings"),
        ("tenant/u/a/people/reembed/c/p.npy", "embeddings"),
        ("tenant/u/a/share/s/archive.zip", "exports"),
        ("tenant/u/a/share/s/photos/crops/1.jpg", "exports"),
    ],
)
def test_the_key_decides_the_bucket(key: str, kind: str) -> None:
    assert Buckets("raw", "derived", "embeddings", "exports").of(key) == kind


def test_objects_are_encrypted_with_the_key_that_is_named(emulator: Emulator) -> None:
    s3 = emulator.client("s3")
    s3.create_bucket(Bucket="kms", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    key = emulator.client("kms").create_key()["KeyMetadata"]["Arn"]
    store = S3ObjectStore(s3, Buckets("kms", "kms", "kms", "kms"), key)
    store.put("a.jpg", b"x", "image/jpeg")
    upload = store.start_multipart("b.jpg", "image/jpeg")
    store.complete_multipart("b.jpg", upload, [store.put_part("b.jpg", upload, 1, b"y")])
    for name in ("a.jpg", "b.jpg"):
        head = s3.head_object(Bucket="kms", Key=name)
        assert (head["ServerSideEncryption"], head["SSEKMSKeyId"]) == ("aws:kms", key)
    store.close()


def test_erasing_takes_old_versions_too(account: Account, aws_services: Services) -> None:
    s3, bucket = account.emulator.client("s3"), account.settings.raw_bucket
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    store = aws_services.objects
    for content in (b"one", b"two"):
        store.put("tenant/u/a/2024/05/06/p.jpg", content, "image/jpeg")
    store.put("tenant/u/a/2024/05/06/q.jpg", b"gone", "image/jpeg")
    store.delete(["tenant/u/a/2024/05/06/q.jpg"])
    assert store.delete_prefix("tenant/u/") == 1
    left = s3.list_object_versions(Bucket=bucket)
    assert not left.get("Versions") and not left.get("DeleteMarkers")


def test_more_objects_than_a_page_and_a_batch(
    aws_services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The emulator's pages and our batches: both have 1000 otherwise.
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "3")
    monkeypatch.setattr(s3_store, "_DELETE_BATCH", 2)
    store = aws_services.objects
    keys = [f"tenant/u/a/thumb/{n:02}.jpg" for n in range(10)]
    store.put_many([NewObject(key, b"x", "image/jpeg") for key in keys])
    assert [info.key for info in store.list_objects("tenant/u/")] == keys
    store.delete(keys[:5])
    assert store.delete_prefix("tenant/u/") == 5
    assert list(store.list_objects("")) == []


def test_a_removal_that_fails_is_an_error(account: Account, aws_services: Services) -> None:
    store = aws_services.objects
    assert isinstance(store, S3ObjectStore)
    with Stubber(store._client) as stubber:
        errors = [{"Key": "a.jpg", "Code": "AccessDenied", "Message": "no"}]
        stubber.add_response("delete_objects", {"Errors": errors})
        with pytest.raises(OSError, match="AccessDenied"):
            store.delete(["a.jpg"])


def test_other_failures_of_s3_are_not_taken_for_absence(
    account: Account, aws_services: Services
) -> None:
    store = aws_services.objects
    assert isinstance(store, S3ObjectStore)
    with Stubber(store._client) as stubber:
        stubber.add_client_error("head_object", "403", http_status_code=403)
        with pytest.raises(ClientError):
            store.head(KEY)


def test_a_stream_of_unknown_length_goes_in_parts(
    aws_services: Services, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(s3_store, "_PIECE", 5 * 2**20)
    store = aws_services.objects
    data = os.urandom(12 * 2**20)
    (tmp_path / "f").write_bytes(data)
    info = store.put_file(KEY, tmp_path / "f", "image/jpeg")
    assert info.size == len(data) and info.etag.endswith("-3")
    assert store.get(KEY) == data
    assert store.head(KEY) == info
