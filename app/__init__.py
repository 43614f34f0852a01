"""Callcard: a self-hosted hotline that shows the caller's whole card before the agent speaks."""
