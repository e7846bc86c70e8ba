"""C2SP tlog-tiles: a log of any size as files of at most 256 hashes or entries.

    tile (level, index) = MTH(D[(index * 256 + i) * 256^level : (index * 256 + i + 1) * 256^level])   for i = 0 .. 255
    path = tile/<level>/<index>[.p/<width>]        entries: tile/entries/<index>[.p/<width>]

The index is written in groups of three digits, all but the last after an `x`: 1234067 is `x001/x234/067`. The right
edge of a tree of `size` is one partial tile a level, floor(size / 256^level) mod 256 wide; an empty one has no file.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from struct import Struct

from audit_ledger.domain.merkle import TILE_HEIGHT, Span, folded, perfect_root, subtrees_of
from shared_kernel.errors import InvalidInputError

TILE_WIDTH = 1 << TILE_HEIGHT
HASH_BYTES = 32
ENTRIES = -1
"""The level of an entry bundle, which lies beside the tile of level 0 of the same index and width."""
MAX_BYTES = TILE_WIDTH * (2 + 65_535)
"""No tile is larger than the largest bundle."""
MAX_LEVEL = 63
MAX_INDEX = 2**63 // TILE_WIDTH
_GROUP = 1_000
_PATH = re.compile(r"tile/(entries|0|[1-9][0-9]?)/((?:x[0-9]{3}/){0,6}[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?", re.ASCII)
_LENGTH = Struct(">H")


class MalformedTileError(InvalidInputError):
    """The path or the bytes are not a tile as C2SP writes it."""


@dataclass(frozen=True, slots=True)
class Tile:
    """The place of a tile; `width` below 256 makes it a partial one."""

    level: int
    index: int
    width: int = TILE_WIDTH

    @property
    def is_full(self) -> bool:
        """Whether its bytes can never be added to."""
        return self.width == TILE_WIDTH

    @property
    def path(self) -> str:
        """Where it lies below the log's prefix."""
        level = "entries" if self.level == ENTRIES else str(self.level)
        suffix = "" if self.is_full else f".p/{self.width}"
        return f"tile/{level}/{index_path(self.index)}{suffix}"

    @classmethod
    def parse(cls, path: str) -> "Tile":
        """Read a path in the one form that `path` writes."""
        matched = _PATH.fullmatch(path)
        if matched is None:
            raise MalformedTileError(f"{path[:100]!r} is not the path of a tile")
        level, groups, width = matched.groups()
        tile = cls(ENTRIES if level == "entries" else int(level), int(groups.replace("x", "").replace("/", "")),
                   int(width) if width else TILE_WIDTH)
        if tile.path != path or tile.level > MAX_LEVEL or tile.index > MAX_INDEX or tile.width > TILE_WIDTH:
            raise MalformedTileError(f"{path[:100]!r} is not the path of a tile")
        return tile


def index_path(index: int) -> str:
    """Return the path elements of a tile's index."""
    groups = [f"{index % _GROUP:03d}"]
    while index := index // _GROUP:
        groups.append(f"x{index % _GROUP:03d}")
    return "/".join(reversed(groups))


def tiles_of(size: int) -> Iterator[Tile]:
    """Yield the hash tiles of a tree, level by level, from the left."""
    level = 0
    while count := size >> (TILE_HEIGHT * level):
        yield from row_of(level, count)
        level += 1


def row_of(level: int, count: int, since: int = 0) -> Iterator[Tile]:
    """Yield the tiles of one level that hold `count` hashes, from that of hash `since` on."""
    for index in range(since // TILE_WIDTH, -(-count // TILE_WIDTH)):
        yield Tile(level, index, min(TILE_WIDTH, count - index * TILE_WIDTH))


def edge_of(size: int) -> list[Tile]:
    """Return the partial tiles at the right edge of a tree, the highest first: all that its root is made of."""
    edge: list[Tile] = []
    level = 0
    while count := size >> (TILE_HEIGHT * level):
        if width := count % TILE_WIDTH:
            edge.append(Tile(level, count // TILE_WIDTH, width))
        level += 1
    return edge[::-1]


def edge_root(size: int, hashes: Mapping[Tile, Sequence[bytes]]) -> bytes:
    """Return the root of a tree from the hashes in its `edge_of`."""
    peaks: list[bytes] = []
    for tile in edge_of(size):
        for place in subtrees_of(Span(0, tile.width)):
            start = place.index << place.level
            peaks.append(perfect_root(hashes[tile][start:start + (1 << place.level)]))
    return folded(peaks)


def hashes_in(content: bytes, width: int) -> list[bytes]:
    """Return the hashes of a tile."""
    if len(content) != width * HASH_BYTES:
        raise MalformedTileError(f"a tile of width {width} has {width * HASH_BYTES} bytes, not {len(content)}")
    return split_hashes(content)


def split_hashes(content: bytes) -> list[bytes]:
    """Return the whole hashes that bytes hold, whatever follows them."""
    return [content[at:at + HASH_BYTES] for at in range(0, len(content) - HASH_BYTES + 1, HASH_BYTES)]


def bundle_of(entries: Sequence[bytes]) -> bytes:
    """Return the entry bundle of at most 256 entries of at most 65,535 bytes."""
    return b"".join(part for entry in entries for part in (_LENGTH.pack(len(entry)), entry))


def entries_in(bundle: bytes, width: int) -> list[bytes]:
    """Return the entries of a bundle."""
    found, end = split_entries(bundle)
    if len(found) != width or end != len(bundle):
        raise MalformedTileError(f"an entry bundle of width {width} holds just as many entries")
    return found


def split_entries(bundle: bytes) -> tuple[list[bytes], int]:
    """Return the whole entries that bytes begin with, and where the last of them ends."""
    found: list[bytes] = []
    at = 0
    while at + _LENGTH.size <= len(bundle):
        end = at + _LENGTH.size + _LENGTH.unpack_from(bundle, at)[0]
        if end > len(bundle):
            break
        found.append(bundle[at + _LENGTH.size:end])
        at = end
    return found, at


def narrowed(content: bytes, tile: Tile) -> bytes:
    """Return the bytes of a tile cut out of a wider one of the same place."""
    if tile.level != ENTRIES:
        return b"".join(hashes_in(content[:tile.width * HASH_BYTES], tile.width))
    found = split_entries(content)[0][:tile.width]
    if len(found) != tile.width:
        raise MalformedTileError(f"the bundle holds fewer than {tile.width} entries")
    return bundle_of(found)
