"""The demo's invented world: customers, what they bought, who answers. Without I/O; see `services.demo_data`."""
