"""Daily call lists: making them, reading them, and how teams want them made."""
