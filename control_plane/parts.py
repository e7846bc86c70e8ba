"""What belongs together once wired: a house's services that travel as one."""

from dataclasses import dataclass

from audit_ledger.adapters.tile_folder import TileFolder
from audit_ledger.service import Ledger
from audit_ledger.service.archive.export import Exporter
from audit_ledger.service.copies.mirror import Mirror
from audit_ledger.service.privacy.erasure import Erasure
from audit_ledger.service.witness.timestamping import Timestamping
from audit_ledger.service.witness.witnessing import Witnessing
from governance.service import Catalog, Governor, Lineage
from grid_services.service import Analytics, Bus, Ingestion, Processing
from grid_services.service.forecasting import Forecasting
from grid_services.service.load_analytics import LoadAnalytics
from grid_services.service.load_archive import LoadArchive
from policy_engine.service import PolicyEngine, RiskScorer
from policy_engine.service.explaining import Explainer
from policy_engine.service.limits import Limiter
from policy_engine.service.limits.exchange import Exchange
from policy_engine.service.publishing import Publisher
from siem_rules.service import AlertQueue, Detector
from soar_playbooks.service import Responder


@dataclass(frozen=True, slots=True)
class Audited:
    """The ledger, its untrusted copies, and who vouches for it from outside."""

    ledger: Ledger
    erasure: Erasure
    tiles: TileFolder
    mirrors: tuple[Mirror, ...]
    witnessing: Witnessing | None
    timestamping: Timestamping | None
    exporter: Exporter


@dataclass(frozen=True, slots=True)
class Policy:
    """Who decides, who scores, who tells why, and who brings a new policy to all."""

    engine: PolicyEngine
    risk: RiskScorer
    explainer: Explainer
    publisher: Publisher


@dataclass(frozen=True, slots=True)
class Counting:
    """Who counts requests, and who keeps the count of this process in step with those of others."""

    limiter: Limiter
    exchange: Exchange


@dataclass(frozen=True, slots=True)
class Governed:
    """What data is, who may see it, where it came from."""

    catalog: Catalog
    governor: Governor
    lineage: Lineage


@dataclass(frozen=True, slots=True)
class Grid:
    """The measuring services."""

    bus: Bus
    ingestion: Ingestion
    processing: Processing
    analytics: Analytics
    archive: LoadArchive
    load: LoadAnalytics
    forecasting: Forecasting


@dataclass(frozen=True, slots=True)
class Guarding:
    """Who notices and who answers."""

    detector: Detector
    alerts: AlertQueue
    responder: Responder
