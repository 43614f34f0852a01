"""Being written: behaviour of the call path (test_closed_and_voicemail)."""
