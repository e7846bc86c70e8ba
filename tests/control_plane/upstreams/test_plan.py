"""The operator's file: what it may say, and how it is told apart from what it may not."""

from pathlib import Path

import pytest

from control_plane.gateway.routes import AmbiguousRouteError
from control_plane.upstreams.paths import PathMap
from control_plane.upstreams.plan_file import UnusablePlanError, load_plan
from tests.control_plane.upstreams.bed import bed

GOOD = """services:
  billing:
    targets: ["https://billing.internal:8443", "https://[fd00::7]:8443"]
    tls: {ca: pki, client_certificate: true, server_name: billing.internal}
    timeouts: {connect_s: 1, total_s: 5.5}
    retry: {retries: 2, first_pause_s: 0.1, budget_percent: 10}
    breaker: {failures: 3, open_s: 10, successes: 1}
    cookies: [basket]
    fulfils: [mask]
  maps:
    app: "maps.web:app"
routes:
  - method: GET
    path: /billing/{rest:path}
    action: bills.read
    service: billing
    to: /v2/{rest}
    dataset: grid.meter_readings
    idempotent: true
"""

BAD = {
    "an unknown key": ("    cookies:", "    cookie:", 8, "nobody knows this key; known are"),
    "an unknown key of tls": ("{ca: pki,", "{cert: pki,", 4, "nobody knows this key; known are ca, client_certificate"),
    "a missing action": ("    action: bills.read\n", "", 13, "action is missing"),
    "an unknown service": ("    service: billing", "    service: bills", None, "not described"),
    "an unknown method": ("method: GET", "method: TRACE", 13, "method"),
    "a word for a number": ("failures: 3", "failures: three", 7, "failures"),
    "a text for a number": ("failures: 3", 'failures: "3"', 7, "failures"),
    "a yes for a number": ("failures: 3", "failures: yes", 7, "failures"),
    "a URL with a path": (':8443", "https://[', ':8443/x", "https://[', 3, "written http://host:port"),
    "a URL with a user": ("//billing", "//u:p@billing", 3, "written http://host:port"),
    "a URL without a port": ('internal:8443"', 'internal"', 3, "written http://host:port"),
    "a decimal host": ("https://billing.internal:8443", "https://2130706433:8443", 3, "written http://host:port"),
    "http beside https": ("https://[", "http://[", 2, "all http or all https"),
    "neither targets nor app": ('    app: "maps.web:app"', "    cookies: []", 10, "either `targets` or `app`"),
    "our own cookie": ("[basket]", "[gw_session]", 2, "the gateway's own"),
    "an unknown obligation": ("[mask]", "[step_up]", 2, "a service can fulfil"),
    "an unknown parameter": ("/v2/{rest}", "/v2/{id}", 13, "which `path` does not have"),
    "a path that is none": ("/billing/{rest:path}", "/billing//{rest:path}", 13, "no path pattern"),
    "an action that is none": ("bills.read", "bills", 15, "action"),
    "an alias": ("    cookies: [basket]", "    cookies: &a [basket]\n    audience: *a", None, "alias"),
    "a key twice": ("    cookies: [basket]", "    cookies: [basket]\n    cookies: []", 9, "stands twice"),
    "no YAML": ("services:", "services: [", None, "not YAML"),
    "a tag": ("bills.read", "!!python/name:os.system x", None, "not YAML"),
    "a list": ("services:\n", "- services:\n", None, ""),
}


def written(folder: Path, text: str) -> Path:
    path = folder / "upstreams.yaml"
    path.write_text(text)
    return path


def test_a_good_file_is_understood(tmp_path: Path) -> None:
    plan = load_plan(written(tmp_path, GOOD))

    billing, [route] = plan.services["billing"], plan.routes
    assert isinstance(billing.targets, tuple)
    assert [target.origin for target in billing.targets] == ["https://billing.internal:8443", "https://[fd00::7]:8443"]
    assert (billing.timeouts.total_s, billing.retry.retries, billing.breaker.failures) == (5.5, 2, 3)
    assert (route.there, plan.needs_pki) == ("/v2/{rest}", True)


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_refused_with_its_line_and_why(tmp_path: Path, name: str) -> None:
    old, new, line, why = BAD[name]
    assert old in GOOD

    with pytest.raises(UnusablePlanError) as refusal:
        load_plan(written(tmp_path, GOOD.replace(old, new, 1)))

    assert why in refusal.value.detail
    assert refusal.value.detail.startswith("GRIDWARDEN_UPSTREAMS: ")
    assert line is None or refusal.value.line == line


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnusablePlanError, match="cannot be read"):
        load_plan(tmp_path / "none.yaml")


@pytest.mark.parametrize("path", ["/admin/users", "/api/v1/readings/{id}"])
async def test_a_route_of_our_own_cannot_be_taken(tmp_path: Path, path: str) -> None:
    plan = ('services: {x: {targets: ["http://127.0.0.1:1"]}}\n'
            f'routes: [{{method: GET, path: "{path}", action: x.read, service: x}}]\n')

    with pytest.raises(AmbiguousRouteError):
        async with bed(tmp_path, plan):
            pass


@pytest.mark.parametrize(("public", "there", "raw", "wanted"), [
    ("/a/{rest:path}", "/b/{rest}", b"/a/x/y%20z", "/b/x/y%20z"),
    ("/a/{one}/{two}", "/{two}/{one}", b"/a/1/2", "/2/1"), ("/a/{n:int}", "/b/{n}", b"/a/7", "/b/7"),
    ("/a", "/", b"/a", "/"), ("/a/{rest:path}", "/b/{rest}", b"/a/", "/b/"),
])
def test_paths_are_mapped_as_the_bytes_they_are(public: str, there: str, raw: bytes, wanted: str) -> None:
    mapped = PathMap(public, there)

    assert mapped.forward(raw) == wanted
    assert mapped.backward(wanted) == raw.decode()
