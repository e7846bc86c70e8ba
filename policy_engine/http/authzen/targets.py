"""What is asked about: an action on a resource, in the words of our policy.

| resource type | id | action name | decided as |
|---|---|---|---|
| `dataset` | a catalogued dataset | an action of ours (`meters.read`) | that action on that data, with its labels |
| `route` | a path of the gateway | an HTTP method | what a request there is decided as |
| `platform` | anything | an action of ours (`playbooks.approve`) | that action on no data |
| any other word | anything | any word (`can_read`) | `external.<type>.<action>`, which a bundle may name |

Everything a bundle does not name is denied, so other types are an allow-list; they cannot reach an action of ours.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from policy_engine.http.authzen.city import City, Place
from policy_engine.http.authzen.messages import Entity
from policy_engine.http.authzen.unaskable import UnaskableError
from shared_kernel.errors import InvalidInputError

NAMESPACE = "external"
_OURS = re.compile(r"[a-z][a-z0-9_]*(?:\.[a-z][a-z0-9_]*)+")
_WORD = re.compile(r"[a-z][a-z0-9_]*")
_NO_DATA: Mapping[str, Any] = {"dataset": None, "classification": None, "columns": {}}
_READ = "GET"


@dataclass(frozen=True, slots=True)
class Target:
    """An action and a resource as policy reads them."""

    action: str
    resource: Mapping[str, Any]


def target_of(action: str, resource: Entity, city: City) -> Target:
    """Return what policy is asked; raise UnaskableError when the resource or the action does not exist."""
    return _TARGETS.get(resource.type, _external)(action, resource, city)


def resource_ids(kind: str, action: str, city: City) -> Sequence[str]:
    """Return the ids of a type in order, those a resource search tries; routes are those that take the method."""
    if kind == "dataset":
        return city.data.names()
    if kind == "route":
        fixed = [place for place in city.places.listed() if "{" not in place.path]
        return sorted({place.path for place in fixed if place.method == action})
    return ("gridwarden",) if kind == "platform" else ()


def action_names(resource: Entity, city: City) -> Sequence[str]:
    """Return the names of actions in order, those an action search tries on a resource."""
    places = city.places.listed()
    if resource.type == "dataset":
        return sorted({place.action for place in places if place.dataset == resource.id})
    if resource.type == "route":
        return sorted({place.method for place in places})
    if resource.type == "platform":
        return sorted({place.action for place in places})
    prefix = f"{NAMESPACE}.{resource.type}."
    return sorted(name.removeprefix(prefix) for name in _named(city) if name.startswith(prefix))


def _named(city: City) -> set[str]:
    """Return every action that the data of the deciding bundle names, in whatever group."""
    bundle = city.policy.bundle
    access = bundle.data.get("access") if bundle is not None else None
    groups = access.values() if isinstance(access, Mapping) else ()
    return {action for group in groups if isinstance(group, Mapping) for action in group}


def _dataset(action: str, resource: Entity, city: City) -> Target:
    if resource.id not in city.data.names():
        raise UnaskableError(404, f"the catalog knows no dataset {resource.id!r}")
    return Target(_ours(action), {"path": f"/dataset/{resource.id}", "method": _READ, **_labels(resource.id, city)})


def _route(action: str, resource: Entity, city: City) -> Target:
    try:
        place = city.places.find(action, resource.id)
    except InvalidInputError as cause:
        raise UnaskableError(400, cause.detail) from cause
    if place is None:
        raise UnaskableError(404, f"no route answers {action} {resource.id}: the action of a route is an HTTP method")
    return _at(place, resource.id, city)


def _at(place: Place, path: str, city: City) -> Target:
    data = _NO_DATA if place.dataset is None else _labels(place.dataset, city)
    return Target(place.action, {"path": path, "method": place.method, **data})


def _platform(action: str, _: Entity, __: City) -> Target:
    return Target(_ours(action), {"path": "/", "method": _READ, **_NO_DATA})


def _external(action: str, resource: Entity, _: City) -> Target:
    if not _WORD.fullmatch(resource.type) or not _WORD.fullmatch(action):
        raise UnaskableError(400, "a resource type and an action that are not ours must be lower-case words "
                                  "(letters, digits, underscores), so that a policy can name them")
    path = f"/{resource.type}/{resource.id}"
    return Target(f"{NAMESPACE}.{resource.type}.{action}", {"path": path, "method": _READ, **_NO_DATA})


_TARGETS: Mapping[str, Callable[[str, Entity, City], Target]] = {
    "dataset": _dataset, "route": _route, "platform": _platform,
}


def _ours(action: str) -> str:
    if not _OURS.fullmatch(action):
        raise UnaskableError(400, f"the action {action!r} is none of ours: name it house.verb, as in meters.read")
    return action


def _labels(dataset: str, city: City) -> Mapping[str, Any]:
    columns = {column: label.name for column, label in city.data.labels(dataset).items()}
    return {"dataset": dataset, "classification": city.data.classification(dataset).name, "columns": columns}
