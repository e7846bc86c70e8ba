"""What can be wrong with a rule, an alert or a request about them; each says what to do."""

from shared_kernel.errors import ConflictError, NotFoundError, UnavailableError, UnprocessableError


class RuleRefusedError(UnprocessableError):
    """A rule file this engine would not run faithfully; it is left out and shown, the others go on."""

    kind = "rule-refused"

    def __init__(self, reason: str) -> None:
        super().__init__(f"the rule is refused: {reason}")
        self.reason = reason


class UnknownAlertError(NotFoundError):
    """No alert has this id."""

    def __init__(self, alert_id: str) -> None:
        super().__init__(f"there is no alert {alert_id!r}: list them at /api/v1/alerts")
        self.alert_id = alert_id


class UnknownRuleError(NotFoundError):
    """No loaded rule has this id."""

    def __init__(self, rule_id: str) -> None:
        super().__init__(f"there is no rule {rule_id!r}: list them at /api/v1/rules")
        self.rule_id = rule_id


class StatusTransitionError(ConflictError):
    """An alert cannot go from its present status to the one asked for."""

    def __init__(self, present: str, wanted: str) -> None:
        super().__init__(f"the alert is {present!r} and cannot become {wanted!r}: reload it and try again")
        self.present, self.wanted = present, wanted


class UnexplainedClosureError(UnprocessableError):
    """An alert is closed with a reason, or not at all."""

    def __init__(self) -> None:
        super().__init__("closing an alert needs a reason: say what was found")


class StalePositionError(UnavailableError):
    """Another process consumed this source meanwhile; the batch was not applied."""

    def __init__(self, source: str) -> None:
        super().__init__(f"another detector consumes {source!r}: run one detector per database")
        self.source = source
