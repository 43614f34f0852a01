"""The port to a carrier and the adapters behind it; the only place that knows Twilio."""
