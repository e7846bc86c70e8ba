"""The Governor stands between stored rows and an answer: no permit, no rows; masked, then sealed, then shown."""

from collections.abc import Mapping, Sequence
from typing import Any

from prometheus_client import Counter

from governance.domain.entries import Dataset
from governance.domain.errors import NoPermitError, NotSealedError, UnknownMaskError, UnknownPurposeError
from governance.domain.narrowing import narrowed
from governance.domain.purposes import Purpose, is_accepted
from governance.domain.release import masked, masks_for, released_label
from governance.service.catalog import Catalog
from shared_kernel.clock import Clock
from shared_kernel.context import RequestContext
from shared_kernel.data_access import Row
from shared_kernel.errors import ForbiddenError, UnavailableError
from shared_kernel.events import Recorder, security_event
from shared_kernel.obligations import RowFilter

RELEASES = Counter("gridwarden_governance_releases", "Readings of governed data.", ["outcome"])
ROWS = Counter("gridwarden_governance_rows_released", "Rows that left.")


class Governor:
    """Implements the kernel's ReadGuard; `pseudonym_key` is a secret of the installation (32 bytes)."""

    def __init__(self, catalog: Catalog, recorder: Recorder, clock: Clock, *, pseudonym_key: bytes) -> None:
        self._catalog, self._recorder, self._clock = catalog, recorder, clock
        self._key = pseudonym_key

    async def release(
        self, context: RequestContext, dataset: str, rows: Sequence[Row], *, columns: Sequence[str],
        summed_over: RowFilter | None = None,
    ) -> list[Row]:
        """Return rows of `columns` as this caller may see them, once the access is sealed.

        Raises ForbiddenError without a permit, with a purpose nobody accepts, or with a demand nobody can fulfil
        (each sealed as a failure), and UnavailableError when the access cannot be sealed; then no row leaves.
        """
        entry = self._catalog.get(dataset)
        try:
            masks = _masks(context, dataset, entry, columns)
            rows = narrowed(rows, columns, context.obligations, summed_over=summed_over, watermark=context.watermark)
        except ForbiddenError as refusal:
            await self._seal(context, dataset, self._failure(dataset, columns), outcome="failure", reason=str(refusal))
            raise
        released = masked(rows, columns, masks, self._key)
        label = released_label(entry, columns, masks)
        about = {"dataset": dataset, "classification": label.name, "columns": list(columns), "masks": masks,
                 "rows": len(released)}
        await self._seal(context, dataset, about, outcome="success")
        ROWS.inc(len(released))
        return released

    def _failure(self, dataset: str, columns: Sequence[str]) -> dict[str, Any]:
        return {"dataset": dataset, "classification": self._catalog.classification(dataset).name,
                "columns": list(columns), "masks": {}, "rows": 0}

    async def _seal(
        self, context: RequestContext, dataset: str, about: Mapping[str, Any], *, outcome: str,
        reason: str | None = None,
    ) -> None:
        """Seal who saw what and why: names and counts, never a value."""
        purpose = context.purpose if is_accepted(context.purpose) else None
        event = security_event(
            self._clock, "data_access", category="database", types=("access",), outcome=outcome, reason=reason,
            context=context, grid={"data": {**about, "purpose": purpose, "permit": context.permit}},
        )
        try:
            await self._recorder.record(event)
        except UnavailableError as cause:
            RELEASES.labels("unsealed").inc()
            raise NotSealedError(dataset) from cause
        RELEASES.labels(outcome).inc()


def _masks(
    context: RequestContext, dataset: str, entry: Dataset | None, columns: Sequence[str],
) -> dict[str, str]:
    if context.permit is None:
        raise NoPermitError(dataset)
    if not is_accepted(context.purpose):
        raise UnknownPurposeError(tuple(Purpose))
    try:
        return masks_for(entry, columns, context.obligations)
    except (TypeError, AttributeError) as cause:
        raise UnknownMaskError("malformed obligation") from cause
