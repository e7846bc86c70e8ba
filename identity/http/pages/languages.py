"""The sentences of the pages in every language: a folder a language, a TOML file an area, `area.key` a sentence.

Sentences are ours and may hold markup; what is put into them is escaped.
"""

import tomllib
from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files

from markupsafe import Markup

from identity.domain.languages import LANGUAGES

Translate = Callable[..., Markup]
"""t("login.title", name=value): the sentence with its values escaped; KeyError for a key nobody wrote."""


class Languages:
    """Holds the catalogs of all languages."""

    def __init__(self) -> None:
        self.catalogs: Mapping[str, Mapping[str, Markup]] = {
            language: _catalog(language) for language in LANGUAGES}

    def translate(self, language: str) -> Translate:
        """Return `t` of a language."""
        catalog = self.catalogs[language]

        def t(key: str, **values: object) -> Markup:
            sentence = catalog[key]
            return sentence.format(**values) if values else sentence

        return t


@cache
def _catalog(language: str) -> Mapping[str, Markup]:
    """Return a language's sentences, which stay as long as the process: parsing them takes some tens of ms."""
    folder = files("identity.http") / "languages" / language
    return {f"{path.name.removesuffix('.toml')}.{key}": Markup(sentence)  # noqa: S704 - our own sentences
            for path in folder.iterdir() if path.name.endswith(".toml")
            for key, sentence in tomllib.loads(path.read_text("utf-8")).items()}
