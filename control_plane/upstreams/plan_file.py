"""Reads the file that GRIDWARDEN_UPSTREAMS names: YAML without its surprises, every complaint with its line."""

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from control_plane.config import ConfigurationError
from control_plane.upstreams.plan import BreakerRule, Discovered, Plan, Retry, Route, Service, Timeouts, Tls

MAX_BYTES = 1 << 20
MAX_DEPTH = 16
_MODELS: dict[str, type[BaseModel]] = {
    "": Plan, "services.*": Service, "routes.*": Route, "services.*.tls": Tls, "services.*.timeouts": Timeouts,
    "services.*.retry": Retry, "services.*.breaker": BreakerRule, "services.*.targets": Discovered,
}
"""Which keys are known where; `*` stands for a name or a number."""

Where = tuple[Hashable, ...]


class UnusablePlanError(ConfigurationError):
    """The file cannot be used; says where and what to write."""

    def __init__(self, path: Path, why: str, line: int | None = None) -> None:
        place = f"{path}, line {line}" if line is not None else str(path)
        super().__init__(f"GRIDWARDEN_UPSTREAMS: {place}: {why}")
        self.line = line


def load_plan(path: Path) -> Plan:
    """Return what the file says; raise UnusablePlanError with the line."""
    lines: dict[Where, int] = {}
    document = _document(path, lines)
    try:
        return Plan.model_validate(document)
    except ValidationError as cause:
        where, why = _complaint(cause)
        raise UnusablePlanError(path, why, _line_of(where, lines)) from cause


def _document(path: Path, lines: dict[Where, int]) -> Any:  # noqa: ANN401 - YAML is any YAML value
    try:
        text = path.read_bytes()
        if len(text) > MAX_BYTES:
            raise UnusablePlanError(path, f"it is longer than {MAX_BYTES} bytes")
        loader = yaml.SafeLoader(text.decode("utf-8"))
        for event in yaml.parse(text.decode("utf-8"), yaml.SafeLoader):
            if isinstance(event, yaml.AliasEvent):
                raise UnusablePlanError(path, f"the alias *{event.anchor} is not taken: write out what it stands for")
        node = loader.get_single_node()
        return None if node is None else _value(path, loader, node, (), lines)
    except OSError as cause:
        raise UnusablePlanError(path, f"it cannot be read ({cause.strerror}): name a file that exists") from cause
    except UnicodeDecodeError as cause:
        raise UnusablePlanError(path, "it is not UTF-8") from cause
    except yaml.MarkedYAMLError as cause:
        mark = cause.problem_mark
        raise UnusablePlanError(path, f"it is not YAML ({cause.problem})", mark.line + 1 if mark else None) from cause
    except yaml.YAMLError as cause:
        raise UnusablePlanError(path, "it is not YAML") from cause


def _value(path: Path, loader: yaml.SafeLoader, node: yaml.Node, where: Where, lines: dict[Where, int]) -> Any:  # noqa: ANN401 - any YAML
    """Return a node's value and remember where everything stands; a key that stands twice is refused."""
    lines.setdefault(where, node.start_mark.line + 1)
    if len(where) > MAX_DEPTH:
        raise UnusablePlanError(path, "it nests too deeply", node.start_mark.line + 1)
    if isinstance(node, yaml.SequenceNode):
        return [_value(path, loader, item, (*where, n), lines) for n, item in enumerate(node.value)]
    if not isinstance(node, yaml.MappingNode):
        return loader.construct_object(node)
    found: dict[Any, Any] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode) or key_node.tag != "tag:yaml.org,2002:str":
            raise UnusablePlanError(path, "a key must be a word", line)
        if key_node.value in found:
            raise UnusablePlanError(path, f"{key_node.value!r} stands twice: keep one", line)
        lines[(*where, key_node.value)] = line
        found[key_node.value] = _value(path, loader, value_node, (*where, key_node.value), lines)
    return found


def _complaint(cause: ValidationError) -> tuple[Where, str]:
    """Return where the most telling complaint is, and its words."""
    errors = cause.errors(include_url=False, include_input=False)
    first = max(errors, key=lambda error: len(error["loc"]))
    where = tuple(part for part in first["loc"] if not str(part).startswith(("tuple[", "function-", "Discovered")))
    name = ".".join(str(part) for part in where)
    if first["type"] == "extra_forbidden":
        return where, f"{name}: nobody knows this key; known are {', '.join(_known_keys(where[:-1]))}"
    if first["type"] == "missing":
        return where[:-1], f"{name} is missing: write it"
    why = first["msg"].removeprefix("Value error, ")
    return where, f"{name}: {why}" if name else why


def _known_keys(where: Where) -> list[str]:
    shape = ".".join(str(part) if n % 2 == 0 else "*" for n, part in enumerate(where))
    model = _MODELS.get(shape)
    return sorted(model.model_fields) if model else []


def _line_of(where: Where, lines: dict[Where, int]) -> int | None:
    while where and where not in lines:
        where = where[:-1]
    return lines.get(where)
