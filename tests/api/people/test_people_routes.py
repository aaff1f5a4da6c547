"""The routes of people on the running application."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from fastapi.testclient import TestClient
from pile import Pile, VectorsOnly, new_album

from api.domain.people import refresh
from api.home import open_services
from api.ids import new_id
from api.services import Services
from api.settings import Settings

Headers = dict[str, str]


@pytest.fixture
def services(settings: Settings) -> Iterator[Services]:
    """In place of the cards: vectors that are there already."""
    opened = open_services(settings, VectorsOnly())  # type: ignore[arg-type]
    yield opened
    opened.table.close()  # type: ignore[attr-defined]


@pytest.fixture
def shown(services: Services, client: TestClient, alice: Headers) -> Pile:
    made = Pile(services, new_album(services, user="alice", linked=True))
    made.photos(15)
    refresh(services, made.album)
    return made


@pytest.fixture
def base(shown: Pile) -> str:
    return f"/albums/{shown.album.id}"


def test_clusters_come_in_pages(client: TestClient, alice: Headers, base: str) -> None:
    everyone = client.get(f"{base}/clusters", headers=alice).json()
    assert everyone["total"] == 5
    sizes = [cluster["size"] for cluster in everyone["clusters"]]
    assert sizes == sorted(sizes, reverse=True)
    one = everyone["clusters"][0]
    assert one["coverUrl"].startswith("http")
    assert len(one["faces"]) == min(8, one["size"])
    assert 0.5 < one["confidence"] <= 1
    seen: list[str] = []
    cursor = None
    while True:
        query = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = client.get(f"{base}/clusters", params=query, headers=alice).json()
        seen += [cluster["id"] for cluster in page["clusters"]]
        if (cursor := page["cursor"]) is None:
            break
    assert seen == [cluster["id"] for cluster in everyone["clusters"]]
    assert client.get(f"{base}/clusters?cursor=x", headers=alice).status_code == 400


def test_who_is_left_alone_by_an_undo_is_grouped_in_the_background(
    client: TestClient, alice: Headers, base: str, shown: Pile
) -> None:
    def post(path: str, body: object = None) -> dict[str, object]:
        answer = client.post(f"{base}/{path}", json=body, headers=alice)
        assert answer.status_code == 200, answer.text
        return answer.json()

    a = shown.of_person(0)
    faces = sorted(shown.groups()[a])
    for face in faces:
        post(f"faces/{face}/reject", {"cluster": a})
    moved = post("faces/move", {"faces": faces, "cluster": None})
    fresh = {face for _ in range(5) for face in shown.photo([0])}
    refresh(shown.services, shown.album)
    post(f"decisions/{moved['decision']}/undo")
    limit = time.monotonic() + 60
    while not any(fresh <= group for group in shown.groups().values()):
        assert time.monotonic() < limit, "they are still nobody's"
        time.sleep(0.05)
    shown.check_rows()


def test_label_merge_split_reject_undo(
    client: TestClient, alice: Headers, base: str, shown: Pile
) -> None:
    def post(path: str, body: object = None) -> dict[str, object]:
        answer = client.post(f"{base}/{path}", json=body, headers=alice)
        assert answer.status_code == 200, answer.text
        return answer.json()

    a, b = shown.of_person(0), shown.of_person(1)
    before = shown.groups()
    named = post(f"clusters/{a}/label", {"name": "Anna"})
    assert [c["label"] for c in named["clusters"]] == ["Anna"]
    merged = post("clusters/merge", {"clusters": [a, b]})
    assert (merged["removed"], merged["clusters"][0]["size"]) == ([b], len(before[a] | before[b]))
    assert client.get(f"{base}/clusters/{b}", headers=alice).status_code == 404
    split = post(f"clusters/{a}/split", {"faces": sorted(before[b])})
    assert len(split["clusters"]) == 2
    face = min(before[a])
    rejected = post(f"faces/{face}/reject", {"cluster": a})
    nobody = client.get(f"{base}/faces/unassigned", headers=alice).json()
    assert [f["id"] for f in nobody["faces"]] == [face]
    post(f"faces/{face}/move", {"cluster": a})
    post(f"clusters/{a}/confirm", {"faces": [face]})
    hidden = post(f"clusters/{a}/hide", {"hidden": True})
    listed = client.get(f"{base}/clusters", headers=alice).json()["clusters"]
    assert a not in {c["id"] for c in listed}
    log = client.get(f"{base}/decisions", headers=alice).json()["decisions"]
    kinds = ["hide", "confirm", "move", "reject", "split", "merge", "label"]
    assert [entry["kind"] for entry in log] == kinds
    assert log[0]["id"] == hidden["decision"]
    assert log[3]["id"] == rejected["decision"]
    for entry in log:
        post(f"decisions/{entry['id']}/undo")
    assert shown.groups() == before
    again = client.post(f"{base}/decisions/{log[0]['id']}/undo", headers=alice)
    assert again.status_code == 409
    assert again.headers["content-type"] == "application/problem+json"
    log = client.get(f"{base}/decisions?limit=3", headers=alice).json()
    assert len(log["decisions"]) == 3
    rest = client.get(f"{base}/decisions", params={"cursor": log["cursor"]}, headers=alice).json()
    assert len(rest["decisions"]) == 11
    assert all(entry["undoneBy"] for entry in rest["decisions"] if entry["kind"] != "undo")


def test_a_persons_faces_page_by_page(
    client: TestClient, alice: Headers, base: str, shown: Pile
) -> None:
    a = shown.of_person(0)
    for order in ("time", "doubt"):
        seen: list[dict[str, object]] = []
        cursor = None
        while True:
            query = {"limit": 2, "order": order} | ({"cursor": cursor} if cursor else {})
            page = client.get(f"{base}/clusters/{a}/faces", params=query, headers=alice).json()
            seen += page["faces"]
            if (cursor := page["cursor"]) is None:
                break
        assert {face["id"] for face in seen} == shown.groups()[a]
        assert len(seen) == page["total"]
        if order == "doubt":
            sure = [face["confidence"] for face in seen]
            assert sure == sorted(sure)


def test_suggestions_and_completion(
    client: TestClient, alice: Headers, base: str, shown: Pile
) -> None:
    a = shown.of_person(0)
    client.post(f"{base}/clusters/{a}/label", json={"name": "Ann Äpfel"}, headers=alice)
    found = client.get(f"{base}/labels?prefix=ÄP", headers=alice).json()["labels"]
    assert found == [{"name": "Ann Äpfel", "cluster": a, "albums": []}]
    faces = sorted(shown.groups()[a])[2:]
    client.post(f"{base}/clusters/{a}/split", json={"faces": faces}, headers=alice)
    best = client.get(f"{base}/suggestions", headers=alice).json()["suggestions"][0]
    assert best["first"]["id"] == a
    assert best["name"] == "Ann Äpfel"
    assert best["probability"] > 0.5
    assert len(best["first"]["faces"]) + len(faces) > 3
    assert {face["id"] for face in best["second"]["faces"]} == set(faces)
    path = f"{base}/suggestions/{best['id']}"
    assert client.post(path, json={"accept": True}, headers=alice).status_code == 200
    assert client.post(path, json={"accept": True}, headers=alice).status_code == 404
    people = client.get("/people", headers=alice).json()["people"]
    assert [(person["name"], len(person["albums"])) for person in people] == [("Ann Äpfel", 1)]


def test_recluster_runs_as_a_job(
    client: TestClient, alice: Headers, base: str, shown: Pile
) -> None:
    before = shown.groups()
    answer = client.post(f"{base}/clusters/recluster", headers=alice)
    assert answer.status_code == 202
    job = answer.json()["jobId"]
    for _ in range(200):
        found = shown.services.jobs.get(
            next(j.key() for j in shown.services.jobs.all(f"ALBUM#{shown.album.id}") if j.id == job)
        )
        assert found is not None
        if found.state != "running":
            break
        time.sleep(0.05)
    assert found.state == "done", found.error
    assert shown.groups() == before


def test_others_and_nobody_get_nothing(
    client: TestClient, sign_in: Callable[[str], Headers], base: str, shown: Pile
) -> None:
    bob = sign_in("bob")
    a, face = shown.of_person(0), next(iter(shown.truth))
    gets = [
        "clusters",
        f"clusters/{a}",
        f"clusters/{a}/faces",
        "faces/unassigned",
        "suggestions",
        "decisions",
        "labels",
    ]
    posts = {
        "clusters/merge": {"clusters": [a, shown.of_person(1)]},
        "clusters/recluster": None,
        f"clusters/{a}/label": {"name": "x"},
        f"clusters/{a}/split": {"faces": [face]},
        f"clusters/{a}/hide": {"hidden": True},
        f"clusters/{a}/confirm": {"faces": [face]},
        f"faces/{face}/reject": {"cluster": a},
        f"faces/{face}/move": {"cluster": a},
        "faces/move": {"faces": [face], "cluster": a},
        f"suggestions/{new_id()}": {"accept": True},
        f"decisions/{new_id()}/undo": None,
    }
    for path in gets:
        assert client.get(f"{base}/{path}", headers=bob).status_code == 404, path
        assert client.get(f"{base}/{path}").status_code == 401, path
    for path, body in posts.items():
        assert client.post(f"{base}/{path}", json=body, headers=bob).status_code == 404, path
        assert client.post(f"{base}/{path}", json=body).status_code == 401, path
    assert client.get("/people", headers=bob).json() == {"people": []}
