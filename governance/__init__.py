"""Governance classifies: labels, masks, purposes, lineage."""
