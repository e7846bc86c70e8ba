"""The `# METADATA` comments of Rego: they describe. What would make OPA do more than regorus does is refused.

OPA fetches the addresses in `schemas` (`$ref`) and refuses policies that do not fit a schema; regorus reads no comment.
https://www.openpolicyagent.org/docs/policy-language#annotations
"""

import re
from collections.abc import Iterator, Mapping

import yaml

from policy_engine.domain.bundle import RefusedBundleError

_OPENING = re.compile(r"#\s*METADATA")
_KINDS: Mapping[str, type[yaml.Node]] = {
    "title": yaml.ScalarNode, "description": yaml.ScalarNode, "scope": yaml.ScalarNode, "entrypoint": yaml.ScalarNode,
    "authors": yaml.SequenceNode, "organizations": yaml.SequenceNode, "related_resources": yaml.SequenceNode,
    "custom": yaml.MappingNode,
}
_SCOPES = frozenset({"rule", "document", "package", "subpackages"})
_NAMES = ", ".join(_KINDS)


def refuse_instructions(policies: Mapping[str, str]) -> None:
    """Raise RefusedBundleError for the first annotation that does not only describe."""
    for name, text in policies.items():
        for line, block in _blocks(text):
            for why in _faults(block):
                raise RefusedBundleError(f"{name}, line {line}, {why}")


def _blocks(text: str) -> Iterator[tuple[int, str]]:
    """Give the YAML below each opening, with the opening's line; OPA ends it where a line does not begin with #."""
    lines = text.split("\n")
    for number, line in enumerate(lines, 1):
        if _OPENING.search(line):
            end = next((at for at in range(number, len(lines)) if not lines[at].startswith("#")), len(lines))
            yield number, "\n".join(line[1:] for line in lines[number:end])


def _faults(block: str) -> Iterator[str]:
    try:
        found = yaml.compose(block, yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError) as cause:
        yield f"has an annotation that is no YAML ({' '.join(str(cause).split())[:120]}): write a plain comment"
        return
    if not isinstance(found, yaml.MappingNode):
        yield f"has an annotation that is no mapping: write a plain comment, or the lines {_NAMES} right below"
        return
    seen = set()
    for key, value in found.value:
        yield from _faults_of_entry(str(key.value), value)
        if str(key.value) in seen:
            yield f"has an annotation with {key.value} twice: keep one"
        seen.add(str(key.value))


def _faults_of_entry(key: str, value: yaml.Node) -> Iterator[str]:
    if key == "schemas":
        yield ("has an annotation with schemas, by which OPA fetches what they refer to and regorus does nothing: "
               "remove them, and let the policy test what it is given")
    elif key not in _KINDS:
        yield f"has an annotation with {key!r}, which is none of {_NAMES}: move it below custom"
    elif not isinstance(value, _KINDS[key]):
        yield f"has an annotation whose {key} is of the wrong kind: write it as OPA's documentation does"
    elif key == "scope" and value.value not in _SCOPES:
        yield f"has an annotation of the scope {value.value!r}: write rule, document, package or subpackages"
