"""A Sigma 2.1 file (one or several YAML documents) into a Rule; whatever would not run faithfully is refused by name.

Beyond Sigma there is one section, `gridwarden`: `id` (GR-001), `alert` (true: raise even when a correlation refers to
the document), `playbook`, `triage`, and `target` {field, rule} - whom the playbook acts on.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

import yaml
from sigma.collection import SigmaCollection
from sigma.correlations import (
    SigmaCorrelationCondition,
    SigmaCorrelationConditionOperator,
    SigmaCorrelationRule,
)
from sigma.exceptions import SigmaError
from sigma.rule import SigmaRule

from siem_rules.domain.condition import compile_condition
from siem_rules.domain.errors import RuleRefusedError
from siem_rules.domain.logsource import routing_of
from siem_rules.domain.rule import BaseRule, Correlation, CorrelationKind, Profile, Rule, Target

MAX_FILE_BYTES = 262_144
_EXTENSION = "gridwarden"
_KNOWN_KEYS = frozenset({"id", "alert", "playbook", "triage", "target"})
_SEVERITIES = {"informational": "low", "low": "low", "medium": "medium", "high": "high", "critical": "critical"}
_COUNTED_FROM = {SigmaCorrelationConditionOperator.GTE: 0, SigmaCorrelationConditionOperator.GT: 1}
_TEMPORAL = {CorrelationKind.TEMPORAL, CorrelationKind.TEMPORAL_ORDERED}
_VALUED = {CorrelationKind.VALUE_COUNT, CorrelationKind.VALUE_SUM}

Document = SigmaRule | SigmaCorrelationRule


def parse_rule(text: str, label: str) -> Rule:
    """Compile the text of a rule file; `label` names the file to people. Raises RuleRefusedError."""
    _refuse_aliases(text)
    try:
        documents = SigmaCollection.from_yaml(text).rules
    except (SigmaError, yaml.YAMLError, TypeError, AttributeError, ValueError, KeyError, RecursionError) as cause:
        raise RuleRefusedError(f"it is not a Sigma rule: {_sentence(cause)}") from cause
    if not documents:
        raise RuleRefusedError("it holds no Sigma rule")
    return _Reader(text, label, documents).read()


def _refuse_aliases(text: str) -> None:
    """Refuse oversized texts and YAML aliases: a kilobyte of them unfolds into a gigabyte."""
    if len(text.encode()) > MAX_FILE_BYTES:
        raise RuleRefusedError(f"it is larger than {MAX_FILE_BYTES} bytes")
    try:
        if any(isinstance(token, yaml.AliasToken) for token in yaml.scan(text, Loader=yaml.CSafeLoader)):
            raise RuleRefusedError("it uses YAML aliases: write the value out")
    except yaml.YAMLError as cause:
        raise RuleRefusedError(f"it is not YAML: {_sentence(cause)}") from cause


def _sentence(cause: BaseException) -> str:
    return " ".join(str(cause).split())[:300] or type(cause).__name__


class _Reader:
    """Turns the documents of one file into its Rule."""

    def __init__(self, text: str, label: str, documents: list[Any]) -> None:
        self._text, self._label = text, label
        self._documents: list[Document] = documents
        self._fingerprint = hashlib.sha256(text.encode()).hexdigest()
        self._sections = {_name(document): _section(document) for document in documents}
        if len(self._sections) != len(documents):
            raise RuleRefusedError("two of its documents have the same name: names tell them apart")
        self._rule_id = self._id()

    def read(self) -> Rule:
        return Rule(
            rule_id=self._rule_id, label=self._label, text=self._text, fingerprint=self._fingerprint,
            bases=tuple(self._base(document) for document in self._documents if isinstance(document, SigmaRule)),
            correlations=tuple(
                self._correlation(document) for document in self._documents
                if isinstance(document, SigmaCorrelationRule)
            ),
        )

    def _id(self) -> str:
        given = {str(section["id"]) for section in self._sections.values() if "id" in section}
        if len(given) > 1:
            raise RuleRefusedError(f"its documents name different ids: {', '.join(sorted(given))}")
        last = self._documents[-1]
        return given.pop() if given else str(last.id or _name(last))

    def _base(self, rule: SigmaRule) -> BaseRule:
        source = rule.logsource
        routing = routing_of(source.product, source.category, source.service)
        if routing is None:
            raise RuleRefusedError(
                f"the Windows log source category={source.category} service={source.service} is not mapped",
            )
        try:
            conditions = [condition.parsed for condition in rule.detection.parsed_condition]
        except (SigmaError, RecursionError) as cause:
            raise RuleRefusedError(f"its condition does not parse: {_sentence(cause)}") from cause
        compiled = compile_condition(conditions, routing)
        return BaseRule(_name(rule), compiled.test, compiled.needs, self._profile(rule))

    def _correlation(self, rule: SigmaCorrelationRule) -> Correlation:
        try:
            kind = CorrelationKind(rule.type.name.lower())
        except ValueError as cause:
            raise RuleRefusedError(
                f"the correlation type {rule.type.name.lower()} is not supported: its answer can turn from yes to no",
            ) from cause
        parts = tuple(_name(reference.rule) for reference in rule.referenced_rules)
        threshold, value_field = _condition(rule, kind, len(parts))
        return Correlation(
            key=f"{self._fingerprint}/{_name(rule)}", rule_id=self._rule_id, name=_name(rule), kind=kind, parts=parts,
            group_by=tuple(rule.group_by or ()), fields=_group_fields(rule), span_us=rule.timespan.seconds * 1_000_000,
            threshold=threshold, value_field=value_field, profile=self._profile(rule),
        )

    def _profile(self, document: Document) -> Profile | None:
        section = self._sections[_name(document)]
        referred = any(
            _name(document) in {_name(reference.rule) for reference in other.referenced_rules} and not other.generate
            for other in self._documents if isinstance(other, SigmaCorrelationRule)
        )
        if not section.get("alert", not referred):
            return None
        return Profile(
            rule_id=self._rule_id, detection=_name(document), title=document.title or _name(document),
            uuid=str(document.id) if document.id else None,
            severity=_SEVERITIES[document.level.name.lower()] if document.level else "medium",
            techniques=tuple(
                tag.name.upper() for tag in document.tags if tag.namespace == "attack" and _is_technique(tag.name)
            ),
            description=" ".join((document.description or "").split()), triage=str(section.get("triage", "")).strip(),
            playbook=section.get("playbook"), target=_target(section, document),
        )


def _name(document: Any) -> str:  # noqa: ANN401 - pySigma's rule classes share no public base with these fields
    return str(document.name or document.id or document.title)


def _is_technique(name: str) -> bool:
    return len(name) > 1 and name[0] in "tT" and name[1].isdigit()


def _section(document: Document) -> Mapping[str, Any]:
    section = document.custom_attributes.get(_EXTENSION, {})
    if not isinstance(section, dict) or section.keys() - _KNOWN_KEYS:
        raise RuleRefusedError(f"its {_EXTENSION} section may hold {', '.join(sorted(_KNOWN_KEYS))} and nothing else")
    return section


def _target(section: Mapping[str, Any], document: Document) -> Target | None:
    given = section.get("target")
    if given is None:
        return None
    if not isinstance(given, dict) or "field" not in given or given.keys() - {"field", "rule"}:
        raise RuleRefusedError("its target needs a field, and may name the rule whose events hold it")
    if not isinstance(document, SigmaCorrelationRule):
        raise RuleRefusedError("a target belongs to a correlation")
    parts = {_name(reference.rule) for reference in document.referenced_rules}
    if "rule" not in given and given["field"] not in (document.group_by or ()):
        raise RuleRefusedError(f"its target field {given['field']!r} is not in group-by: name the rule that holds it")
    if "rule" in given and (given["rule"] not in parts or document.type.name.lower() not in _TEMPORAL):
        raise RuleRefusedError(f"its target rule {given['rule']!r} is not a part of a temporal correlation")
    return Target(str(given["field"]), given.get("rule"))


def _condition(rule: SigmaCorrelationRule, kind: CorrelationKind, parts: int) -> tuple[int, str | None]:
    condition = rule.condition
    if not isinstance(condition, SigmaCorrelationCondition):
        raise RuleRefusedError("extended correlation conditions (and, or, not between rules) are not supported")
    if condition.op not in _COUNTED_FROM:
        raise RuleRefusedError(
            f"the correlation condition `{condition.op.name.lower()}` is not supported: "
            "one more event could take the answer back; use gte or gt",
        )
    threshold = condition.count + _COUNTED_FROM[condition.op]
    if threshold < 1 or (kind in _TEMPORAL and threshold > parts):
        raise RuleRefusedError(f"its threshold {threshold} is out of range")
    if kind is CorrelationKind.TEMPORAL_ORDERED and threshold != parts:
        raise RuleRefusedError("temporal_ordered needs all of its rules: leave the condition out")
    if kind not in _VALUED:
        return threshold, None
    if not isinstance(condition.fieldref, str):
        raise RuleRefusedError("values are read from exactly one field")
    return threshold, condition.fieldref


def _group_fields(rule: SigmaCorrelationRule) -> dict[str, tuple[str, ...]]:
    """Return for each part the fields behind group-by, with aliases resolved."""
    aliases = {
        alias.alias: {reference.reference: field for reference, field in alias.mapping.items()}
        for alias in rule.aliases
    }
    fields: dict[str, tuple[str, ...]] = {}
    for reference in rule.referenced_rules:
        named = []
        for group in rule.group_by or ():
            mapping = aliases.get(group)
            if mapping is not None and reference.reference not in mapping:
                raise RuleRefusedError(f"the alias {group!r} says nothing about {reference.reference!r}")
            named.append(mapping[reference.reference] if mapping is not None else group)
        if isinstance(reference.rule, SigmaCorrelationRule) and set(named) - {*(reference.rule.group_by or ())}:
            raise RuleRefusedError(f"it groups by a field that {reference.reference!r} does not group by")
        fields[_name(reference.rule)] = tuple(named)
    return fields
