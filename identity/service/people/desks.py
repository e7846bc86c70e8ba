"""The desks for people who come, forget their password, or look after their own account."""

from dataclasses import dataclass

from identity.service.foundation import Foundation
from identity.service.people.endings import Endings
from identity.service.people.guarding import Guard
from identity.service.people.mailing import Mailing
from identity.service.people.new_passwords import NewPasswords
from identity.service.people.own_account import OwnAccountDesk
from identity.service.people.passwords import Passwords
from identity.service.people.recovery import RecoveryDesk
from identity.service.people.registration import EnrolmentDesk
from identity.service.people.roles import RoleDesk


@dataclass(frozen=True, slots=True)
class PeopleDesks:
    """Everything for people beyond the login itself."""

    enrolment: EnrolmentDesk
    recovery: RecoveryDesk
    own_account: OwnAccountDesk
    roles: RoleDesk

    @classmethod
    def of(cls, foundation: Foundation, mailing: Mailing, *,  # noqa: PLR0913 - a composition point
           passwords: Passwords, new_passwords: NewPasswords,
           endings: Endings, is_open: bool) -> "PeopleDesks":
        """Set the desks up beside each other."""
        guard = Guard(foundation)
        return cls(
            EnrolmentDesk(foundation, guard, mailing, new_passwords=new_passwords, passwords=passwords,
                          is_open=is_open),
            RecoveryDesk(foundation, guard, mailing, new_passwords=new_passwords, endings=endings),
            OwnAccountDesk(foundation, guard, mailing, new_passwords=new_passwords, passwords=passwords,
                           endings=endings),
            RoleDesk(foundation))
