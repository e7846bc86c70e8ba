"""A home belongs to one running instance of a version that can read it; secrets in it are for us alone."""

import json
import stat
from pathlib import Path

import pytest

from control_plane.config import ConfigurationError, load_settings
from control_plane.first_start import console_secret
from control_plane.home import Home, HomeInUseError, HomeLock, NewerHomeError, UnusableHomeError


def test_a_second_instance_is_refused_while_the_first_lives(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    with HomeLock(home, "1.0"), pytest.raises(HomeInUseError, match="stop it"), HomeLock(home, "1.0"):
        pass

    with HomeLock(home, "1.0"):
        pass


def test_a_newer_layout_is_refused(tmp_path: Path) -> None:
    (tmp_path / "version.json").write_text(json.dumps({"format": 2, "version": "2.0"}))

    with pytest.raises(NewerHomeError, match=r"2\.0"), HomeLock(Home(tmp_path), "1.0"):
        pass


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("not a folder")

    with pytest.raises(UnusableHomeError, match="GRIDWARDEN_HOME"), HomeLock(Home(tmp_path / "home"), "1.0"):
        pass


def test_the_consoles_secret_is_made_once_and_for_us_alone(tmp_path: Path) -> None:
    home = Home(tmp_path)

    first, second = console_secret(home), console_secret(home)

    assert first == second
    assert stat.S_IMODE((tmp_path / "keys" / "console.secret").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700


@pytest.mark.parametrize(("name", "value"), [
    ("GRIDWARDEN_HOST", "not-an-address"), ("GRIDWARDEN_GATEWAY_PORT", "70000"), ("DATABASE_URL", "mysql://x"),
    ("OPA_URL", "opa"), ("GRIDWARDEN_TRUSTED_PROXIES", "10.0.0.0/99"), ("GRIDWARDEN_LOG_LEVEL", "loud"),
])
def test_an_unusable_setting_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(ConfigurationError, match=name.removeprefix("GRIDWARDEN_").lower()):
        load_settings()


def test_the_command_line_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRIDWARDEN_GATEWAY_PORT", "6000")
    monkeypatch.setenv("GRIDWARDEN_TRUSTED_PROXIES", "10.0.0.0/8, 192.168.0.0/16")

    settings = load_settings(gateway_port=7000, console_port=None)

    assert settings.gateway_port == 7000
    assert settings.console_port == 8080
    assert settings.gateway_url() == "http://127.0.0.1:7000"
    assert [str(network) for network in settings.trusted_proxies] == ["10.0.0.0/8", "192.168.0.0/16"]
