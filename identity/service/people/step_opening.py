"""Asking for a second factor: the browser gets a cookie that is good for one step and for nothing else."""

from collections.abc import Sequence

from identity.domain.opaque import Kind, mint
from identity.domain.people.factors import LoginStep, Standing, reaching
from identity.domain.people.login_policy import STEP_LIFETIME_US, Assessment
from identity.domain.records import Session, User
from identity.service.foundation import Foundation
from identity.service.journal import described
from identity.service.people.admission import LOGINS
from identity.service.people.arrivals import Arrival
from identity.service.people.notices import Notices
from identity.service.people.outcomes import StepDue
from shared_kernel.context import RequestContext


class StepOpening:
    """Opens steps."""

    def __init__(self, foundation: Foundation, notices: Notices) -> None:
        self._foundation = foundation
        self._notices = notices

    def methods(self, user: User, standing: Standing) -> tuple[str, ...]:
        """Return what the person can choose from; a mailed code only for who has no factor."""
        return standing.methods or (("mail",) if self._notices.can_reach(user) else ())

    async def after_password(self, user: User, arrival: Arrival, found: Assessment,
                             context: RequestContext) -> StepDue | None:
        """Ask for a second factor after a right password; None when the person has nothing to show."""
        methods = self.methods(user, arrival.standing)
        if not methods:
            return None
        return await self._open(user, methods, why=found.reasons_to_step_up, amr=("pwd",), risk=found.risk,
                                session=None, context=context)

    async def in_session(self, session: Session, wanted: Sequence[str], context: RequestContext) -> StepDue | None:
        """Ask a person who is logged in for a further factor; None when none brings them to what is wanted."""
        async with self._foundation.database.read() as tables:
            user = await tables.users.get(session.user_id)
            standing = await tables.factors.standing(session.user_id)
        methods = reaching(standing.methods, wanted)
        if user is None or not methods:
            return None
        return await self._open(user, methods, why=("acr_values",), amr=session.amr, risk=0, session=session,
                                context=context)

    async def _open(self, user: User, methods: tuple[str, ...], *, why: tuple[str, ...],  # noqa: PLR0913 - a step's parts
                    amr: tuple[str, ...], risk: int, session: Session | None, context: RequestContext) -> StepDue:
        now_us, cookie = self._foundation.now_us(), mint(Kind.STEP)
        step = LoginStep(cookie.id, user.id, session.id if session else None, amr, why, 0, now_us + STEP_LIFETIME_US)
        async with self._foundation.database.begin() as tables:
            await tables.login_steps.add(cookie, step, now_us)
            await self._foundation.journal.seal(
                "step_up", context=context, user=described(user), outcome="unknown", reason=" ".join(why),
                grid={"login": {"methods": list(methods), "risk": risk}})
        LOGINS.labels("step_up").inc()
        return StepDue(cookie, methods)
