"""Feeding customers in: files, what their rows say, writing it, and the jobs that do so. See `docs/importing.md`."""
