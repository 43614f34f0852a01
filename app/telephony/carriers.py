"""The carrier that the settings name."""

from app.config import Settings
from app.telephony.twilio import TwilioCarrier


def carrier_of(settings: Settings) -> TwilioCarrier | None:
    """What may be asked of the carrier, or None where no account is set up; to be given back with `aclose`."""
    token = next(iter(settings.twilio_auth_tokens), None)
    if settings.twilio_account_sid is None or token is None:
        return None
    secret = settings.twilio_api_secret
    return TwilioCarrier(
        account_sid=settings.twilio_account_sid,
        auth_token=token,
        api_key=settings.twilio_api_key,
        api_secret=secret.get_secret_value() if secret else None,
        api_base_url=settings.twilio_api_base_url,
    )
