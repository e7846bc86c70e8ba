"""The ledger's figures for Prometheus."""

from prometheus_client import Counter, Gauge, Histogram

ENTRIES = Counter("gridwarden_audit_ledger_entries_total", "Entries sealed")
FAILURES = Counter("gridwarden_audit_ledger_failures_total", "Commits that failed; every waiting record was refused")
REFUSED = Counter("gridwarden_audit_ledger_refused_total", "Records refused because the queue was full")
COMMIT_SECONDS = Histogram(
    "gridwarden_audit_ledger_commit_seconds", "One group commit",
    buckets=(0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1, 5),
)
CHECKPOINT_SIZE = Gauge("gridwarden_audit_ledger_checkpoint_size", "Entries under the newest published checkpoint")
FINDINGS = Gauge("gridwarden_audit_ledger_findings", "Findings of the last verification")
WITNESS_ANSWERS = Counter("gridwarden_audit_ledger_witness_answers_total", "Answers to add-checkpoint", ("status",))
COSIGNATURES = Counter("gridwarden_audit_ledger_cosignatures_total", "Cosignatures kept", ("witness",))
WITNESS_FAILURES = Counter(
    "gridwarden_audit_ledger_witness_failures_total", "Witnesses that did not cosign when asked", ("witness",))
QUORUM_SIZE = Gauge("gridwarden_audit_ledger_quorum_size", "Entries under the newest checkpoint with a quorum")
QUORUM_LATE_SECONDS = Gauge(
    "gridwarden_audit_ledger_quorum_late_seconds", "How long checkpoints have lacked a quorum; 0: they do not")
LEADING = Gauge("gridwarden_audit_ledger_leading", "1 while this process leads the ledger and takes records")
CHECKPOINT_FAILURES = Counter(
    "gridwarden_audit_ledger_checkpoint_failures_total", "Checkpoints that could not be signed or kept, to be retried")
FORWARDED = Counter("gridwarden_audit_ledger_forwarded_total", "Records handed to the process that leads")
DRAINED = Counter("gridwarden_audit_ledger_drained_total", "Records that processes which do not lead handed over")
SUBJECT_KEYS = Counter("gridwarden_audit_ledger_subject_keys_total", "Keys made for sealed personal fields")
ERASURES = Counter("gridwarden_audit_ledger_erasures_total", "Subjects erased")
COPY_BACKLOG = Gauge("gridwarden_audit_ledger_copy_backlog", "Published entries that a copy lacks", ["copy"])
COPY_DIVERGED = Gauge("gridwarden_audit_ledger_copy_diverged", "1 while a copy holds other than the ledger", ["copy"])
TIMESTAMP_SIZE = Gauge("gridwarden_audit_ledger_timestamp_size", "Entries under the newest checkpoint with a timestamp")
TIMESTAMP_FAILURES = Counter(
    "gridwarden_audit_ledger_timestamp_failures_total", "Timestamps that were refused or not given")
