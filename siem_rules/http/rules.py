"""The loaded rules and the state of detection over HTTP."""

from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from shared_kernel.clock import to_iso
from siem_rules.domain.rule import Profile, Rule
from siem_rules.service.detector import Detector
from siem_rules.store.progress import SourceProgress


class RuleRoutes:
    """Handlers over a Detector."""

    def __init__(self, detector: Detector) -> None:
        self._detector = detector

    async def find(self, _: Request) -> Response:
        """GET /api/v1/rules."""
        return _json({"items": [_summary(rule) for rule in self._detector.rules()], "next": None})

    async def get(self, request: Request) -> Response:
        """GET /api/v1/rules/{rule_id}."""
        rule = self._detector.rule(str(request.path_params["rule_id"]))
        return _json(_summary(rule) | {"text": rule.text, "fingerprint": rule.fingerprint})

    async def status(self, _: Request) -> Response:
        """GET /api/v1/detection/status."""
        status = await self._detector.status()
        return _json({
            "sources": [_progress(source) for source in status.sources],
            "rules": {"loaded": status.rules, "broken": [
                {"file": broken.label, "reason": broken.reason} for broken in status.broken]},
            "rule_errors": status.rule_errors, "open_groups": status.open_groups,
        })


def _progress(source: SourceProgress) -> dict[str, Any]:
    return {
        "source": source.source, "next_seq": source.next_seq, "late_events": source.late,
        "watermark": to_iso(source.watermark_us) if source.watermark_us is not None else None,
    }


def _summary(rule: Rule) -> dict[str, Any]:
    return {"id": rule.rule_id, "file": rule.label, "detections": [_profile(item) for item in rule.profiles]}


def _profile(profile: Profile) -> dict[str, Any]:
    return {
        "name": profile.detection, "title": profile.title, "uuid": profile.uuid, "severity": profile.severity,
        "techniques": list(profile.techniques), "description": profile.description, "triage": profile.triage,
        "playbook": profile.playbook,
    }


def _json(body: Any) -> Response:  # noqa: ANN401 - JSON is any JSON value
    return Response(orjson.dumps(body), media_type="application/json")
