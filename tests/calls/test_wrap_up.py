"""Being written: behaviour of the call path (test_wrap_up)."""
