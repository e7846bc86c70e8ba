"""The desks where people are kept and let in."""
