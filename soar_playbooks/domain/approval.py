"""Who may decide: a person, another one than asked, in time, for the plan they saw; anything else is a refusal."""

from shared_kernel.principal import Principal, PrincipalKind
from soar_playbooks.domain.errors import AlreadyDecidedError, NotAPersonError, OwnApprovalError, PlanChangedError
from soar_playbooks.domain.run import ApprovalRecord, ApprovalState

LIFETIME_US = 24 * 3_600 * 1_000_000


def refuse_unless_may_decide(
    approval: ApprovalRecord, by: Principal, *, granting: bool, plan_hash: str | None, now_us: int,
) -> None:
    """Raise the refusal that applies; a requester may deny their own run, never grant it."""
    if by.kind is not PrincipalKind.PERSON:
        raise NotAPersonError
    if granting and by.subject == approval.requested_by:
        raise OwnApprovalError
    if approval.state is not ApprovalState.PENDING:
        raise AlreadyDecidedError(approval.state)
    if approval.expires_at_us <= now_us:
        raise AlreadyDecidedError(ApprovalState.EXPIRED)
    if plan_hash is not None and plan_hash != approval.plan_hash:
        raise PlanChangedError
