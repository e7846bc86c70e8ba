"""A synthetic population that logs in, and the three attackers of Wiefling et al. (FC 2021; ACM TOPS 2022).

SYNTHETIC: nobody's logins. The assumptions, all of them choices of ours:

- 85 of 100 people live in one country of 8 /16 networks, their popularity 1/rank; the rest in five others.
- A home line keeps its address for 90 days on average, then gets another of its /16, in four of five cases of its /24.
- 45 in 100 log in from home alone; 35 also from an office (one address, shared by 20 people, every third login);
  20 also from a phone, whose provider hands out addresses of four /24 of one /16 (three logins in ten).
- A login in 80 is made somewhere else altogether: another network, in one case of five another country.
- Browsers: five families by popularity, one of four versions in use, which moves on every 30 days with a lag of the
  person's own; one device in 300 logins is replaced. Hours: two habitual ones, give or take two. A login a day.

    naive     any address of any country, any browser of any popularity
    vpn       an address of the victim's country, the most popular browser families
    targeted  any address of the victim's home /16, the victim's browser and system (three in four times the very same
              string, else the newest version), at an hour at which the population is awake
    neighbour (not one of Wiefling's, to show where the score ends) as targeted, and in the /24 of the victim's home
"""

from dataclasses import dataclass, field
from random import Random

from policy_engine.domain.risk_levels import US_PER_HOUR, RiskFeatures

ATTACKERS = ("naive", "vpn", "targeted", "neighbour")
_DAY_US = 24 * US_PER_HOUR
_START_US = 20_000 * _DAY_US
_COUNTRIES = {"BA": tuple(f"31.{n}" for n in range(8)), "HR": ("93.136", "93.137"), "RS": ("178.148", "178.149"),
              "DE": ("84.128", "84.129", "84.130"), "AT": ("80.108", "80.109"), "VN": ("14.160", "14.161", "14.162")}
_HOME_COUNTRY = "BA"
_FAMILIES = (
    (50, "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{}.0.0.0 Safari/537"),
    (20, "Mozilla/5.0 (Linux; Android 15; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{}.0.0.0 Mobile Safari/537"),
    (15, "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605 (KHTML, like Gecko) Version/{}"),
    (10, "Mozilla/5.0 (X11; Linux x86_64; rv:{0}.0) Gecko/20100101 Firefox/{0}.0"),
    (5, "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_5) AppleWebKit/605 (KHTML, like Gecko) Version/{} Safari/605"),
)
_DAYS_A_VERSION, _FIRST_VERSION = 30, 130


@dataclass(slots=True)
class Person:
    """Somebody with habits; `kind` is where they log in from."""

    name: str
    kind: str
    country: str
    home_network: str
    home: str
    office: str | None
    mobile: tuple[str, ...]
    agent: str
    lag_days: int
    hours: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Login:
    """A login and the country its address is in."""

    features: RiskFeatures
    country: str


@dataclass(slots=True)
class Population:
    """People and their logins, the same for the same seed."""

    seed: int
    size: int
    people: list[Person] = field(default_factory=list)
    _chance: Random = field(init=False)

    def __post_init__(self) -> None:
        self._chance = Random(self.seed)  # noqa: S311 - a simulation, repeatable on purpose
        offices = [self._address(self._network(_HOME_COUNTRY)) for _ in range(max(1, self.size // 60))]
        self.people = [self._person(number, offices) for number in range(self.size)]

    def day(self, number: int) -> list[tuple[Person, Login]]:
        """Return everybody's login of a day, in no particular order."""
        found = [(person, self._login(person, number)) for person in self.people]
        self._chance.shuffle(found)
        return found

    def attack(self, model: str, victim: Person, day: int) -> Login:
        """Return one attempt on a person by an attacker of that model."""
        at_us = self._at(day, self._hour())
        if model == "naive":
            country = self._chance.choice(list(_COUNTRIES))
            return self._of(victim, self._address(self._chance.choice(_COUNTRIES[country])), self._any_agent(day),
                            at_us, country)
        if model == "vpn":
            template = self._chance.choice(_FAMILIES[:2])[1]
            network = self._network(victim.country)
            return self._of(victim, self._address(network), self._versioned(template, day), at_us, victim.country)
        near = victim.home.rpartition(".")[0] if model == "neighbour" else None
        address = self._address(victim.home_network, near)
        lag = victim.lag_days if self._chance.random() < 0.75 else 0  # noqa: PLR2004 - see the head
        return self._of(victim, address, self._versioned(victim.agent, day - lag), at_us, victim.country)

    def _login(self, person: Person, day: int) -> Login:
        chance = self._chance
        if chance.random() < 1 / 90:
            near = person.home.rpartition(".")[0] if chance.random() < 0.8 else None  # noqa: PLR2004 - see the head
            person.home = self._address(person.home_network, near)
        if chance.random() < 1 / 300:
            person.agent = self._template()
        at_us = self._at(day, chance.choice(person.hours) + chance.randint(-2, 2))
        agent = self._versioned(person.agent, day - person.lag_days)
        if chance.random() < 1 / 80:
            abroad = chance.random() < 0.2  # noqa: PLR2004 - see the head
            country = chance.choice(list(_COUNTRIES)) if abroad else person.country
            return self._of(person, self._address(self._network(country)), agent, at_us, country)
        return self._of(person, self._usual_place(person), agent, at_us, person.country)

    def _usual_place(self, person: Person) -> str:
        if person.office is not None and self._chance.random() < 1 / 3:
            return person.office
        if person.mobile and self._chance.random() < 0.3:  # noqa: PLR2004 - see the head
            subnet = self._chance.choice(person.mobile)
            return f"{subnet}.{self._chance.randint(1, 254)}"
        return person.home

    def _person(self, number: int, offices: list[str]) -> Person:
        chance = self._chance
        country = _HOME_COUNTRY if chance.random() < 0.85 else chance.choice(list(_COUNTRIES)[1:])  # noqa: PLR2004
        network = self._network(country)
        kind = chance.choices(("home", "office", "mobile"), (45, 35, 20))[0]
        provider = self._network(country)
        subnets = tuple(f"{provider}.{n}" for n in chance.sample(range(256), 4))
        first = chance.randint(6, 20)
        return Person(
            f"person-{number:05}", kind, country, network, self._address(network),
            chance.choice(offices) if kind == "office" else None, subnets if kind == "mobile" else (),
            self._template(), chance.randint(0, 60), (first, (first + chance.randint(1, 6)) % 24))

    def _of(self, person: Person, address: str, agent: str, at_us: int, country: str) -> Login:
        return Login(RiskFeatures(person.name, address, agent, at_us), country)

    def _network(self, country: str) -> str:
        networks = _COUNTRIES[country]
        return self._chance.choices(networks, [1 / (rank + 1) for rank in range(len(networks))])[0]

    def _address(self, network: str, subnet: str | None = None) -> str:
        near = subnet or f"{network}.{self._chance.randint(0, 255)}"
        return f"{near}.{self._chance.randint(1, 254)}"

    def _template(self) -> str:
        return self._chance.choices([text for _, text in _FAMILIES], [weight for weight, _ in _FAMILIES])[0]

    def _any_agent(self, day: int) -> str:
        return self._versioned(self._chance.choice(_FAMILIES)[1], day - self._chance.randint(0, 200))

    def _versioned(self, template: str, day: int) -> str:
        return template.format(_FIRST_VERSION + day // _DAYS_A_VERSION)

    def _hour(self) -> int:
        return self._chance.choice(self._chance.choice(self.people).hours)

    def _at(self, day: int, hour: int) -> int:
        return _START_US + day * _DAY_US + hour % 24 * US_PER_HOUR
