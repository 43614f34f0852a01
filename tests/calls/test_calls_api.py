"""Being written: behaviour of the call path (test_calls_api)."""
