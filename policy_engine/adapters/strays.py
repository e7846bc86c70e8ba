"""Refuses what OPA refuses of a bundle's `roots`: policies and data outside of them, and one root in another."""

from collections.abc import Iterable, Iterator, Sequence

from policy_engine.adapters.syntax import Path
from policy_engine.domain.bundle import Bundle, RefusedBundleError
from policy_engine.domain.manifest import MANIFEST_FILE


def refuse_strays(bundle: Bundle, packages: Iterable[Path]) -> None:
    """Raise RefusedBundleError for the first thing outside the trees that the bundle's manifest owns."""
    owned = [_path(root) for root in bundle.roots]
    for place, root in enumerate(owned):
        if any(root == other[: len(root)] for at, other in enumerate(owned) if at != place):
            raise RefusedBundleError(f"{MANIFEST_FILE}: the root {'/'.join(root)!r} holds another root: name it once")
    if () in owned:
        return
    for path in (*sorted(packages), *_leaves(bundle.data, owned)):
        if not any(path[: len(root)] == root for root in owned):
            raise RefusedBundleError(f"it brings data.{'.'.join(path)}, which is outside the roots of its "
                                     f"{MANIFEST_FILE}: name its root there")


def _path(root: str) -> Path:
    return tuple(root.strip("/").split("/")) if root.strip("/") else ()


def _leaves(tree: object, owned: Sequence[Path], path: Path = ()) -> Iterator[Path]:
    """Give the paths of data down to the first that a root owns, or that is no object."""
    if path in owned or not isinstance(tree, dict):
        yield path
        return
    for key, value in tree.items():
        yield from _leaves(value, owned, (*path, key))
