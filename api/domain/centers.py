"""Where persons lie among the vectors, kept up to date without reading every face.

A run, which has every vector at hand, keeps the sums of its clusters. What people decided since
moves whole clusters or few faces: the sums follow from those of the run and the vectors of the
faces that left the bulk of their cluster.
"""

from __future__ import annotations

import numpy as np

from api.domain.log import people_before
from api.domain.models import Album
from api.domain.runs import NOBODY, pack, unpack
from api.domain.state import Centers, Floats, People
from api.domain.vectors import Vectors
from api.objects import keys
from api.objects.store import ObjectMissing
from api.services import Services


def keep_centers(services: Services, album: Album, people: People, vectors: Floats) -> None:
    """Keep the sums after a run that had every vector at hand."""
    _keep(services, album, Centers(people, _sums(people, vectors)))


def follow_centers(services: Services, album: Album, people: People) -> None:
    """Keep the sums after a run that had few vectors at hand."""
    _keep(services, album, centers_of(services, album, people))


def _keep(services: Services, album: Album, centers: Centers) -> None:
    head = centers.people.head
    assert head is not None  # the run's own entry
    key = keys.centers(album.user_id, album.id, head)
    services.objects.put(key, pack({"sums": centers.sums}), "application/octet-stream")
    services.memory.of(album.id).centers = centers
    prefix = key.removesuffix(f"{head}.npz")
    stale = [info.key for info in services.objects.list_objects(prefix) if info.key != key]
    services.objects.delete(stale)


def centers_of(services: Services, album: Album, people: People) -> Centers:
    """The sums of the people as they are now."""
    remembered = services.memory.of(album.id)
    base = remembered.centers or _kept(services, album)
    if base is not None and base.people.contract != people.contract:
        base = _kept(services, album)  # another process has switched to another embedder
    if base is not None and _comparable(base.people, people):
        centers = _moved(services, album, base, people)
    else:
        vectors = Vectors(services, album, people.contract or services.engine.contract_id)
        centers = Centers(people, _sums(people, vectors.all(people)))
    remembered.centers = centers
    return centers


def _comparable(base: People, people: People) -> bool:
    return base.contract == people.contract and len(base.table) <= len(people.table)


def _kept(services: Services, album: Album) -> Centers | None:
    """The sums of the last run."""
    prefix = keys.centers(album.user_id, album.id, "").removesuffix(".npz")
    found = [info.key for info in services.objects.list_objects(prefix)]
    if not found:
        return None
    head = found[-1].removeprefix(prefix).removesuffix(".npz")
    try:
        sums = unpack(services.objects.get(found[-1]))["sums"]
    except ObjectMissing:
        return None
    people = people_before(services, album, head)
    return Centers(people, sums) if len(sums) == len(people.persons) else None


def _sums(people: People, vectors: Floats) -> Floats:
    sums = np.zeros((len(people.persons), vectors.shape[1]), dtype=np.float32)
    member = people.mode >= 0
    np.add.at(sums, people.mode[member], vectors[member])
    return sums


def _moved(services: Services, album: Album, base: Centers, people: People) -> Centers:
    """From the sums at one point of the log to those at another."""
    if base.people is people:
        return base
    # Faces that have come since were nobody's.
    come = np.full(len(people.table) - len(base.people.table), NOBODY, dtype=np.int32)
    old, new = np.append(base.people.mode, come), people.mode
    m_old, m_new = len(base.people.persons), len(people.persons)
    # Of each old cluster, the part that is together still and largest goes as a whole: its sum is
    # the old sum less the other parts'. Only those are read.
    pair = (old.astype(np.int64) + 2) * (m_new + 2) + new + 2
    parts, part_of, sizes = np.unique(pair, return_inverse=True, return_counts=True)
    source, target = parts // (m_new + 2) - 2, parts % (m_new + 2) - 2
    bulk = np.zeros(len(parts), dtype=np.bool_)
    order = np.lexsort((-sizes, source))
    first = np.ones(len(order), dtype=np.bool_)
    first[1:] = source[order][1:] != source[order][:-1]
    bulk[order[first]] = True
    bulk &= source >= 0

    sums = np.zeros((m_new, base.sums.shape[1]), dtype=np.float32)
    lost = np.zeros((m_old, base.sums.shape[1]), dtype=np.float32)
    strays = np.flatnonzero(~bulk[part_of] & ((old >= 0) | (new >= 0)))
    if len(strays):
        contract = people.contract or services.engine.contract_id
        vectors = Vectors(services, album, contract).of(people, strays)
        leave, join = old[strays] >= 0, new[strays] >= 0
        np.add.at(lost, old[strays][leave], vectors[leave])
        np.add.at(sums, new[strays][join], vectors[join])
    whole = np.flatnonzero(bulk & (target >= 0))
    np.add.at(sums, target[whole], base.sums[source[whole]] - lost[source[whole]])
    return Centers(people, sums)
