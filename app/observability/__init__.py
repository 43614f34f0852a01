"""How Callcard is watched: log lines that carry their call and hide its numbers, and figures for Prometheus."""
