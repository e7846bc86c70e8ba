"""The adapters floor of identity."""
