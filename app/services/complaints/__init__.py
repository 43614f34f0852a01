"""Complaints, from the first word to the last; `docs/complaints.md` tells the whole."""
