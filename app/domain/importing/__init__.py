"""Feeding customers in from other systems' files: what is pure of it. The rest is in `services/imports/`."""
