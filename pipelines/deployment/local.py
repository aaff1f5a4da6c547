"""Deployment to servers on this machine, by the registry of MLflow.

The new server starts beside the old one and is asked what the old one is asked. Only then does it
become the champion. The old one keeps running, so that a rollback is a switch.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from faceflow_ml.errors import FaceFlowError
from faceflow_ml.files import atomic_write_text
from faceflow_ml.inference.pretrained import WEIGHTS_VARIABLE, Kind, resolve
from pipelines.config import PipelineConfig
from pipelines.deployment.outcome import Deployed
from pipelines.deployment.servers import Server, start_server
from pipelines.deployment.shadow import compare
from pipelines.deployment.weights import keep_weights, merge_weights
from pipelines.kinds import KINDS
from pipelines.local.state import locked
from pipelines.mlflow_registry import CHALLENGER, MlflowRegistry
from pipelines.programs import command_line
from pipelines.registry import APPROVED, REJECTED, Version

_STATE = "deployment.json"
_SERVING = "weights/serving"


@dataclass(frozen=True)
class Slot:
    """A version, where its files are, and its server."""

    version: int
    contract_id: str
    model_dir: str
    server: Server

    @classmethod
    def of(cls, document: dict[str, Any]) -> Slot:
        """From what `asdict` gave."""
        return cls(**{**document, "server": Server(**document["server"])})


@dataclass
class Slots:
    """Of one kind of model: who serves, who served before, and a server that is being tried."""

    active: Slot | None = None
    previous: Slot | None = None
    candidate: Server | None = None


class LocalDeployer:
    """Deploys and rolls back below ``config.local.root``; one process at a time."""

    def __init__(self, config: PipelineConfig, *, notice: Callable[[str], None]) -> None:
        self._config = config
        self._root = config.local.root.resolve()
        self._registry = MlflowRegistry(config.tracking_uri(), config.artifacts())
        self._notice = notice

    def deploy(self, kind: Kind, version: int | None = None, *, approve: bool = False) -> Deployed:
        """Make a registered version serve: the challenger, or the one of that number.

        Doing it again changes nothing; after a kill it goes on.

        Raises:
            FaceFlowError: there is no such version, it is not approved, its server does not start
                or answers wrongly, or what a new contract id makes necessary failed. What served
                before serves on.
        """
        with self._locked() as state:
            slots = state[kind]
            wanted = self._wanted(kind, version, slots)
            if approve and wanted.status != APPROVED:
                self._registry.set_status(wanted, APPROVED)
                wanted = self._registry.get(wanted.group, wanted.version)
            if wanted.status != APPROVED:
                raise FaceFlowError(
                    f"{wanted.group} {wanted.version} is {wanted.status}: only approved versions "
                    "are deployed (--approve)"
                )
            active = slots.active
            if active is not None and active.version == wanted.version and active.server.alive():
                self._align(kind, slots)
                return self._outcome(kind, slots, "unchanged", active.contract_id)
            return self._replace(kind, wanted, slots, state)

    def rollback(self, kind: Kind) -> Deployed:
        """Make the version that served before serve again; the present one becomes rejected.

        Raises:
            FaceFlowError: nothing served before, or its server does not start.
        """
        with self._locked() as state:
            slots = state[kind]
            bad, good = slots.active, slots.previous
            if bad is None or good is None:
                raise FaceFlowError(f"{kind}: there is no earlier version to go back to")
            if not good.server.alive() or not good.server.ready():
                good = self._start(
                    kind, good.version, good.contract_id, good.model_dir, slots, state
                )
            self._after_contract_change(kind, bad.contract_id, good, state)
            group = self._config.groups[kind]
            self._registry.set_status(self._registry.get(group, bad.version), REJECTED)
            slots.active, slots.previous, slots.candidate = good, None, None
            self._save(state)
            self._align(kind, slots)
            bad.server.stop()
            self._notice(f"{kind}: back to version {good.version}, contract {good.contract_id}")
            return self._outcome(kind, slots, "rolled back", bad.contract_id)

    def status(self) -> list[dict[str, Any]]:
        """Who serves, by kind: kind, version, contract_id, endpoint, alive."""
        return [
            {
                "kind": kind,
                "version": slots.active.version,
                "contract_id": slots.active.contract_id,
                "endpoint": slots.active.server.url,
                "alive": slots.active.server.alive(),
            }
            for kind, slots in self._load().items()
            if slots.active is not None
        ]

    def stop(self) -> int:
        """Stop all servers; returns how many ran."""
        with self._locked() as state:
            servers: list[Server] = []
            for slots in state.values():
                servers += [slot.server for slot in (slots.active, slots.previous) if slot]
                servers += [slots.candidate] if slots.candidate else []
            return sum(server.stop() for server in servers)

    def _wanted(self, kind: Kind, version: int | None, slots: Slots) -> Version:
        group = self._config.groups[kind]
        if version is not None:
            return self._registry.get(group, version)
        challenger = self._registry.by_alias(group, CHALLENGER)
        if challenger is not None:
            return challenger
        if slots.active is not None:
            return self._registry.get(group, slots.active.version)
        champion = self._registry.champion(group)
        if champion is None:
            raise FaceFlowError(f"{group} has no version to deploy; run the pipeline first")
        return champion

    def _replace(
        self, kind: Kind, wanted: Version, slots: Slots, state: dict[Kind, Slots]
    ) -> Deployed:
        model_dir = self._download(kind, wanted)
        fresh = self._start(kind, wanted.version, wanted.contract_id, str(model_dir), slots, state)
        old = slots.active
        # Before the first one, the default weights made what vectors there are.
        before = old.contract_id if old is not None else resolve(kind).contract_id
        try:
            self._shadow(kind, fresh, old)
            self._after_contract_change(kind, before, fresh, state)
        except BaseException:
            fresh.server.stop()
            raise
        same = old is not None and old.version == fresh.version
        dropped = None if same else slots.previous
        slots.previous = slots.previous if same else old
        slots.active, slots.candidate = fresh, None
        self._save(state)
        self._align(kind, slots)
        if dropped is not None:
            dropped.server.stop()
        self._notice(f"{kind}: version {fresh.version} serves at {fresh.server.url}")
        action = "created" if old is None else "updated"
        return self._outcome(kind, slots, action, before)

    def _start(
        self,
        kind: Kind,
        version: int,
        contract_id: str,
        model_dir: str,
        slots: Slots,
        state: dict[Kind, Slots],
    ) -> Slot:
        if slots.candidate is not None:
            slots.candidate.stop()  # an earlier deployment was killed while it tried this one

        def remember(server: Server) -> None:
            slots.candidate = server
            self._save(state)

        settings = self._config.deploy.servers[kind]
        self._notice(f"{kind}: starting a server of version {version}")
        server = start_server(
            settings.command,
            Path(model_dir),
            self._root / "servers" / f"{kind}-{version}.log",
            seconds=settings.start_seconds,
            started=remember,
        )
        return Slot(version, contract_id, model_dir, server)

    def _shadow(self, kind: Kind, fresh: Slot, old: Slot | None) -> None:
        settings = self._config.deploy.servers[kind]
        before = old.server if old is not None and old.server.alive() else None
        found = compare(kind, fresh.server, before, images=settings.shadow_images)
        if found.failures > settings.shadow_failures:
            raise FaceFlowError(
                f"{kind} version {fresh.version} fails {found.failures} of {found.images} "
                f"requests: {found.reason}"
            )
        if found.contract_ids != (fresh.contract_id,):
            raise FaceFlowError(
                f"{kind} version {fresh.version} answers with contract "
                f"{', '.join(found.contract_ids) or 'none'}, expected {fresh.contract_id}"
            )
        agreement = "" if found.agreement is None else f", agreement {found.agreement:.2f}"
        self._notice(f"{kind}: {found.images} requests answered{agreement}")

    def _after_contract_change(
        self, kind: Kind, old_contract_id: str, new: Slot, state: dict[Kind, Slots]
    ) -> None:
        """What a new space of vectors makes necessary, before it serves: re-embedding."""
        command = self._config.deploy.after_contract_change
        if kind != "embedder" or old_contract_id == new.contract_id:
            return
        if not command:
            self._notice(
                f"{kind}: contract {old_contract_id} becomes {new.contract_id}; vectors of before "
                "are not comparable, and deploy.after_contract_change names no job to renew them"
            )
            return
        self._notice(f"{kind}: contract {new.contract_id}: running {' '.join(command)}")
        detector = state["detector"].active
        folders: dict[Kind, Path] = {"embedder": Path(new.model_dir)}
        if detector is not None:
            folders["detector"] = Path(detector.model_dir)
        weights = merge_weights(folders, self._root / "weights" / new.contract_id)
        environment = {
            **os.environ,
            WEIGHTS_VARIABLE: str(weights),
            "FACEFLOW_OLD_CONTRACT_ID": old_contract_id,
            "FACEFLOW_NEW_CONTRACT_ID": new.contract_id,
        }
        log = self._root / "servers" / "after-contract-change.log"
        try:
            with log.open("ab") as output:
                words = command_line(command)
                code = subprocess.run(
                    words, env=environment, stdout=output, stderr=output, check=False
                ).returncode
        except OSError as error:
            raise FaceFlowError(f"cannot start {command[0]}: {error.strerror}") from error
        if code:
            raise FaceFlowError(
                f"{' '.join(command)} ended with code {code} (log: {log}); contract "
                f"{old_contract_id} serves on. The same command goes on with it"
            )

    def _download(self, kind: Kind, version: Version) -> Path:
        target = self._root / "models" / kind / str(version.version)
        if not target.is_dir():
            work = target.with_name(f".{version.version}")
            shutil.rmtree(work, ignore_errors=True)  # of a deployment that was killed
            found = self._registry.download(version, work)
            found.replace(target)
            shutil.rmtree(work, ignore_errors=True)
        return target

    def _align(self, kind: Kind, slots: Slots) -> None:
        """The registry's aliases, and the weights that the application reads, follow the state,
        which is written first."""
        assert slots.active is not None
        version = self._registry.get(self._config.groups[kind], slots.active.version)
        previous = slots.previous.version if slots.previous else None
        self._registry.set_champion(version, previous)
        active = {k: s.active for k, s in {**self._load(), kind: slots}.items()}
        keep_weights(
            {k: Path(slot.model_dir) for k, slot in active.items() if slot is not None},
            self._root / _SERVING,
        )

    def _outcome(
        self, kind: Kind, slots: Slots, action: str, previous_contract_id: str | None
    ) -> Deployed:
        active = slots.active
        assert active is not None
        return Deployed(
            kind=kind,
            group=self._config.groups[kind],
            version=active.version,
            contract_id=active.contract_id,
            endpoint=active.server.url,
            action=action,
            previous_contract_id=previous_contract_id,
            contract_changed=previous_contract_id not in (None, active.contract_id),
        )

    @contextmanager
    def _locked(self) -> Iterator[dict[Kind, Slots]]:
        with locked(self._root / "deployment.lock", what=f"the deployment in {self._root}"):
            yield self._load()

    def _load(self) -> dict[Kind, Slots]:
        try:
            document = json.loads((self._root / _STATE).read_text(encoding="utf-8"))
        except FileNotFoundError:
            document = {}
        except (OSError, ValueError) as error:
            raise FaceFlowError(f"{self._root / _STATE} cannot be read: {error}") from error

        def slot(value: dict[str, Any] | None) -> Slot | None:
            return None if value is None else Slot.of(value)

        state: dict[Kind, Slots] = {}
        for kind in KINDS:
            found = document.get(kind, {})
            candidate = found.get("candidate")
            state[kind] = Slots(
                slot(found.get("active")),
                slot(found.get("previous")),
                None if candidate is None else Server(**candidate),
            )
        return state

    def _save(self, state: dict[Kind, Slots]) -> None:
        document = {kind: asdict(slots) for kind, slots in state.items()}
        atomic_write_text(self._root / _STATE, json.dumps(document, indent=2) + "\n")
