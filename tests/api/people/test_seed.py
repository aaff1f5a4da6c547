"""The album that load tests are done on is one that the application could have made."""

from __future__ import annotations

from pathlib import Path

from pile import VectorsOnly, open_pile

from api.domain import counts, gallery, photos, suggestions
from api.domain.ledger import people_of
from api.domain.log import loader, read_log
from api.domain.models import Album, Face
from api.domain.people import refresh
from api.domain.projection import project
from api.domain.rows import cluster_row
from api.repositories.table import Index
from tests.load.seed import seed


def test_rows_counts_and_log_of_a_seeded_album_agree(tmp_path: Path) -> None:
    services = open_pile(tmp_path, VectorsOnly())
    found = seed(services, photos=400, people=20, named=3, thumbnails=5)
    album = services.albums.get(Album.key_of("load", found.album_id))
    assert album is not None
    said = counts.read(services, album.id)
    assert counts.recount(services, album.id) == said
    assert (said.photos, said.faces, said.clusters) == (400, found.faces, 20)
    people = people_of(services, album)
    replayed = project(read_log(services, album), loader(services, album))
    for code in replayed.alive():
        row = cluster_row(album, replayed, code)
        assert services.clusters.get(row.key()) == row
    assert {face.id for face in services.faces.all(f"ALBUM#{album.id}")} == set(
        replayed.table.number
    )
    fresh = Face.fresh_partition(album.id)
    assert not services.faces.index_page(Index.GSI1, fresh).records
    shown = gallery.list_clusters(people, hidden=False, faces=2, limit=50, cursor=None)
    assert sum(cluster.person.label is not None for cluster in shown.clusters) == 3
    page, cursor = photos.page(
        services, album, photos.PhotoFilter(), services.photos, limit=200, cursor=None
    )
    assert len(page) == 200 and cursor is not None
    shown = photos.with_faces(services, album, page)
    assert any(seen.cluster for entry in shown for seen in entry.faces)
    suggestions.suggest(services, album)
    head = people.head
    refresh(services, album)
    assert people_of(services, album).head == head, "there is nothing new in it"
