"""Playbooks over HTTP: what there is, what is broken, starting one, and the kill switch."""

from typing import Annotated, Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from shared_kernel.clock import to_iso
from shared_kernel.context import context_of
from shared_kernel.endpoint import Endpoint
from soar_playbooks.domain.playbook import Playbook
from soar_playbooks.domain.run import GLOBAL_SCOPE, Switch
from soar_playbooks.http.answers import answer, body_of, summary
from soar_playbooks.service.library import Volume
from soar_playbooks.service.responder import Responder

_Reason = Annotated[str, msgspec.Meta(min_length=3, max_length=500, pattern=r"^[^\x00]*$")]


class StartBody(msgspec.Struct, forbid_unknown_fields=True):
    """What a person sends to start a run."""

    targets: Annotated[list[str], msgspec.Meta(min_length=1, max_length=1_000)]
    reason: _Reason


class SwitchBody(msgspec.Struct, forbid_unknown_fields=True):
    """What a person sends to turn a kill switch."""

    on: bool
    reason: _Reason
    scope: Annotated[str, msgspec.Meta(max_length=100)] = GLOBAL_SCOPE


def playbook_endpoints(responder: Responder) -> tuple[Endpoint, ...]:
    """Return the routes about playbooks themselves."""

    async def list_playbooks(_request: Request) -> Response:
        await responder.library.refresh()
        switches = await responder.switches()
        items = [_volume(volume) for volume in responder.library.volumes()]
        return answer({"items": items, "next": None, "kill_switches": [_switch(turned) for turned in switches]})

    async def start(request: Request) -> Response:
        body = body_of(await request.body(), StartBody)
        context = context_of(request.scope)
        run = await responder.start_run(
            request.path_params["name"], body.targets, reason=body.reason, by=context.principal, context=context,
        )
        return answer(summary(run), 201)

    async def turn(request: Request) -> Response:
        body = body_of(await request.body(), SwitchBody)
        context = context_of(request.scope)
        turned = await responder.switch(
            body.scope, is_on=body.on, reason=body.reason, by=context.principal, context=context,
        )
        return answer(_switch(turned))

    return (
        Endpoint("GET", "/api/v1/playbooks", "playbooks.read", list_playbooks),
        Endpoint("POST", "/api/v1/playbooks/kill-switch", "playbooks.kill", turn, max_body=4_096),
        Endpoint("POST", "/api/v1/playbooks/{name}/runs", "playbooks.run", start),
    )


def _volume(volume: Volume) -> dict[str, Any]:
    about = _playbook(volume.playbook) if volume.playbook else {}
    return {"name": volume.name, "source": volume.source, "problem": volume.problem} | about


def _playbook(playbook: Playbook) -> dict[str, Any]:
    return {
        "title": playbook.title, "description": playbook.description, "version_hash": playbook.version_hash,
        "approval": playbook.approval, "rules": sorted(playbook.rules) if playbook.rules is not None else "any",
        "people": "any" if playbook.people is None else sorted(playbook.people), "max_targets": playbook.max_targets,
        "target_field": playbook.target_field,
        "steps": [{"name": step.name, "connector": step.connector} for step in playbook.steps],
    }


def _switch(turned: Switch) -> dict[str, Any]:
    return {"scope": turned.scope, "on": turned.is_on, "by": turned.set_by, "reason": turned.reason,
            "at": to_iso(turned.set_at_us)}
