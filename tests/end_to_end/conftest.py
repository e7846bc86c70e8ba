"""One whole product a worker, started as a user starts it."""

from collections.abc import AsyncIterator, Iterator

import pytest

from control_plane.cli.person import Person
from control_plane.demo.instance import Instance
from tests.enterable import enterable


@pytest.fixture(scope="session")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    with Instance(enterable(tmp_path_factory.mktemp("instance")) / "home") as running:
        yield running


class People:
    """Signs demo users in, each once a test."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self.signed_in: list[Person] = []

    async def __call__(self, name: str) -> Person:
        person = Person(self._instance.gateway, user_agent="end-to-end")
        self.signed_in.append(person)
        await person.sign_in(name, self._instance.passwords[name])
        return person


@pytest.fixture
async def sign_in(instance: Instance) -> AsyncIterator[People]:
    people = People(instance)
    yield people
    for person in people.signed_in:
        await person.__aexit__(None, None, None)
