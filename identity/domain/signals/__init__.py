"""Security events told to receivers: the Shared Signals Framework and CAEP, as pure values."""
