"""The door: everybody who lets people in, put together."""

from identity.adapters.places import Places
from identity.service.foundation import Foundation
from identity.service.people.admission import Admission, LoginAccepted
from identity.service.people.arrivals import Arrivals, LoginRisk
from identity.service.people.factors.desk import FactorDesk
from identity.service.people.factors.passkeys import Passkeys
from identity.service.people.factors.totp import TotpApps
from identity.service.people.login import LoginDesk
from identity.service.people.notices import Notices
from identity.service.people.passkey_login import PasskeyLoginDesk
from identity.service.people.passwords import Passwords
from identity.service.people.second_factor import StepDesk
from identity.service.people.step_opening import StepOpening


class Door:
    """Holds the desks of login, second factor and factors; secrets at rest are sealed under keys of the form key."""

    def __init__(self, foundation: Foundation, passwords: Passwords, notices: Notices, *, form_key: bytes,  # noqa: PLR0913 - a composition point
                 places: Places, risk: LoginRisk | None, accepted: LoginAccepted | None) -> None:
        issuer = foundation.mint.issuer
        arrivals, admission = Arrivals(places, risk), Admission(foundation, notices, accepted=accepted)
        apps, passkeys = TotpApps(form_key, issuer), Passkeys(form_key, issuer)
        self.opening = StepOpening(foundation, notices)
        self.login = LoginDesk(foundation, passwords, arrivals, admission, self.opening)
        self.passkey_login = PasskeyLoginDesk(foundation, passkeys, arrivals, admission)
        self.steps = StepDesk(foundation, arrivals=arrivals, admission=admission, opening=self.opening,
                              notices=notices, apps=apps, passkeys=passkeys)
        self.factors = FactorDesk(foundation, notices, apps, passkeys)
