"""What can be allowed, in words that roles, API tokens and routes share; `services.access` says which role may what."""

from enum import StrEnum


class Scope(StrEnum):
    """Something that may be done."""

    CALLS_READ = "calls:read"
    CALLS_WRITE = "calls:write"
    CALLS_SUPERVISE = "calls:supervise"
    """Writing up calls that somebody else took."""
    CUSTOMERS_READ = "customers:read"
    CUSTOMERS_WRITE = "customers:write"
    CUSTOMERS_IDENTITY = "customers:identity"
    """National ids in full; whoever lacks it sees their last four characters."""
    LOOKUP = "lookup"
    """Who a number belongs to, and nothing more: what a telephone exchange needs."""
    AGENT = "agent"
    """One's own presence, stream and voice token: what a softphone needs."""
    AGENTS_READ = "agents:read"
    AGENTS_WRITE = "agents:write"
    """Adding and changing people, other than supervisors and administrators."""
    ADMIN = "admin"
    """Everybody's rights and tokens, and how the hotline is set up."""
