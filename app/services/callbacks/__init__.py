"""Promised calls: making, changing, listing them, and what came of them."""
