"""The playbooks at hand: shipped ones and the operator's, read again when a file changes; a broken one is shown."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import structlog
from prometheus_client import Gauge

from soar_playbooks.adapters.folders import PlaybookFile, PlaybookFolders
from soar_playbooks.domain.errors import PlaybookError, UnknownPlaybookError
from soar_playbooks.domain.playbook import Playbook
from soar_playbooks.domain.schema import playbook_from
from soar_playbooks.domain.strict_yaml import parse_yaml

BROKEN = Gauge("gridwarden_soar_playbooks_broken", "Playbook files that cannot run.")
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Volume:
    """One playbook file: the playbook, or what is wrong with it."""

    name: str
    source: str
    playbook: Playbook | None
    problem: str | None


class Library:
    """Holds the playbooks; `connectors` are the names a step may use."""

    def __init__(self, folders: PlaybookFolders, connectors: frozenset[str]) -> None:
        self._folders, self._connectors = folders, connectors
        self._seen: tuple[tuple[str, int, int], ...] | None = None
        self._volumes: Mapping[str, Volume] = {}

    async def refresh(self) -> None:
        """Read the files again if one changed."""
        seen = await asyncio.to_thread(self._folders.fingerprint)
        if seen == self._seen:
            return
        files = await asyncio.to_thread(self._folders.read)
        self._volumes = {name: _volume(file, self._connectors) for name, file in sorted(files.items())}
        self._seen = seen
        self._report()

    def get(self, name: str) -> Playbook:
        """Return a playbook that can run; raise UnknownPlaybookError otherwise."""
        volume = self._volumes.get(name)
        if volume is None or volume.playbook is None:
            raise UnknownPlaybookError(name, volume.problem if volume else None)
        return volume.playbook

    def volumes(self) -> tuple[Volume, ...]:
        """Return every file, the broken ones too."""
        return tuple(self._volumes.values())

    def _report(self) -> None:
        broken = [volume for volume in self._volumes.values() if volume.problem]
        BROKEN.set(len(broken))
        log.info("playbooks_read", playbooks=len(self._volumes) - len(broken), broken=[v.name for v in broken])


def _volume(file: PlaybookFile, connectors: frozenset[str]) -> Volume:
    if file.problem:
        return Volume(file.name, file.source, None, file.problem)
    try:
        return Volume(file.name, file.source, playbook_from(parse_yaml(file.text), file.name, connectors), None)
    except PlaybookError as error:
        return Volume(file.name, file.source, None, error.detail)
