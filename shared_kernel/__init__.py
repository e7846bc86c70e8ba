"""The words every house speaks: principal, event, decision context, errors, ids and time. No I/O, under 470 lines."""
