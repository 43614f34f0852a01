"""Forms as Twilio posts them, for the tests of this folder."""

ACCOUNT_SID = "AC" + "0" * 32
CALL_SID = "CA" + "1" * 32
CHILD_CALL_SID = "CA" + "2" * 32
RECORDING_SID = "RE" + "3" * 32

VOICE: list[tuple[str, str]] = [
    ("AccountSid", ACCOUNT_SID),
    ("ApiVersion", "2010-04-01"),
    ("CallSid", CALL_SID),
    ("CallStatus", "ringing"),
    ("CallToken", '{"parentCallInfoToken":"eyJhbGciOiJFUzI1NiJ9.eyJjYWxsU2lkIjoiQ0EifQ","identityHeaderTokens":[]}'),
    ("Called", "+864001234567"),
    ("CalledCity", ""),
    ("CalledCountry", "CN"),
    ("CalledState", ""),
    ("CalledZip", ""),
    ("Caller", "+8613812345678"),
    ("CallerCity", "Shanghai Shi"),
    ("CallerCountry", "CN"),
    ("CallerName", "鲁先生"),
    ("CallerState", ""),
    ("CallerZip", ""),
    ("Direction", "inbound"),
    ("From", "+8613812345678"),
    ("StirVerstat", "TN-Validation-Passed-A"),
    ("To", "+864001234567"),
]
"""An incoming call: twenty fields, some blank, a name in Chinese."""
