"""Which quotas there are: a table, shipped with generous defaults, replaced as a whole by an operator's file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from policy_engine.domain.limits.gcra import Quota
from shared_kernel.errors import GridwardenError

MAX_RULES, MAX_PER_S, MAX_BURST = 64, 1_000_000, 10_000_000
_MEMBERS = {"name", "by", "per_second", "burst"}
_OPTIONAL = {"actions", "each_action", "this_machine_too"}


class By(StrEnum):
    """Whose requests are counted together."""

    ADDRESS = "address"
    NETWORK = "network"
    SUBJECT = "subject"
    CLIENT = "client"


BEFORE_IDENTITY = frozenset({By.ADDRESS, By.NETWORK})


@dataclass(frozen=True, slots=True)
class Rule:
    """One quota for each caller of a kind, on some actions or (None) on all; together, or `each_action` by itself.

    Requests of this machine are one address whoever sends them, so rules by address skip it unless told otherwise.
    """

    name: str
    by: By
    quota: Quota
    actions: frozenset[str] | None = None
    each_action: bool = False
    this_machine_too: bool = False

    def covers(self, action: str) -> bool:
        """Tell whether requests for an action are counted."""
        return self.actions is None or action in self.actions


class UnusableRulesError(GridwardenError):
    """The rules cannot be used; the sentence says which and why."""


SHIPPED: tuple[Rule, ...] = (
    Rule("address", By.ADDRESS, Quota(500, 2_000)),
    Rule("network", By.NETWORK, Quota(5_000, 20_000)),
    Rule("subject", By.SUBJECT, Quota(5_000, 20_000)),
    Rule("client", By.CLIENT, Quota(20_000, 80_000)),
    Rule("doors", By.ADDRESS, Quota(50, 1_000), this_machine_too=True, actions=frozenset({
        "login.submit", "register.submit", "oauth.register", "oauth.par", "oauth.device"}), each_action=True),
)
"""`doors`: where a stranger makes us hash a password or keep a row."""


def read_rules(document: object) -> tuple[Rule, ...]:
    """Return the rules of a parsed file, `{"rules": [{name, by, per_second, burst, ...}]}`."""
    if not isinstance(document, Mapping) or document.keys() != {"rules"} or not _is_list(document["rules"]):
        raise UnusableRulesError(f"the file must hold one list named rules, of at most {MAX_RULES}")
    rules = tuple(_rule(number, item) for number, item in enumerate(document["rules"], start=1))
    names = [rule.name for rule in rules]
    if len(set(names)) < len(names):
        raise UnusableRulesError("two rules have the same name")
    return rules


def _is_list(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str) and 0 < len(value) <= MAX_RULES


def _rule(number: int, item: Any) -> Rule:  # noqa: ANN401 - any YAML value
    if not isinstance(item, Mapping) or not _MEMBERS <= item.keys() <= _MEMBERS | _OPTIONAL:
        raise UnusableRulesError(
            f"rule {number} must have {', '.join(sorted(_MEMBERS))}; it may have {' and '.join(sorted(_OPTIONAL))}")
    name, actions = item["name"], item.get("actions")
    checks = (
        (isinstance(name, str) and name.isascii() and name.replace("-", "").isalnum() and len(name) <= MAX_RULES,
         "name must be letters, digits and hyphens"),
        (item["by"] in [str(by) for by in By], f"by must be one of {', '.join(By)}"),
        (_is_number(item["per_second"]) and 0 < item["per_second"] <= MAX_PER_S, "per_second must be a number above 0"),
        (type(item["burst"]) is int and 0 < item["burst"] <= MAX_BURST, "burst must be a whole number above 0"),
        (actions is None or (_is_list(actions) and all(isinstance(action, str) for action in actions)),
         "actions must be a list of actions"),
        *((type(item.get(name, False)) is bool, f"{name} must be true or false")
          for name in ("each_action", "this_machine_too")),
    )
    for holds, wanted in checks:
        if not holds:
            raise UnusableRulesError(f"rule {number}: {wanted}")
    return Rule(name, By(item["by"]), Quota(item["per_second"], item["burst"]),
                None if actions is None else frozenset(actions), each_action=item.get("each_action", False),
                this_machine_too=item.get("this_machine_too", False))


def _is_number(value: object) -> bool:
    return type(value) in {int, float}
