"""What follows from a customer's number and place where nobody says it: time zone and language."""

import re
from typing import Final

from app.domain.phone_numbers import PhoneNumber

# Country, the language in which somebody there expects to be spoken to, and the one zone by which all of it lives. A
# country with several zones has none here, nor one where the language is no matter of the country alone.
_COUNTRIES: Final = {
    country: (language, zone)
    for country, language, zone in (
        line.split(":")
        for line in (
            "CN:zh-CN:Asia/Shanghai TW:zh-TW:Asia/Taipei HK:zh-HK:Asia/Hong_Kong MO:zh-MO:Asia/Macau "
            "SG::Asia/Singapore MY::Asia/Kuala_Lumpur JP:ja-JP:Asia/Tokyo KR:ko-KR:Asia/Seoul TH:th-TH:Asia/Bangkok "
            "VN:vi-VN:Asia/Ho_Chi_Minh PH::Asia/Manila ID:id-ID: IN::Asia/Kolkata PK::Asia/Karachi AE::Asia/Dubai "
            "SA:ar-SA:Asia/Riyadh IL:he-IL:Asia/Jerusalem TR:tr-TR:Europe/Istanbul RU:ru-RU: KZ:: "
            "GB:en-GB:Europe/London IE:en-IE:Europe/Dublin DE:de-DE:Europe/Berlin AT:de-AT:Europe/Vienna "
            "CH::Europe/Zurich FR:fr-FR:Europe/Paris BE::Europe/Brussels NL:nl-NL:Europe/Amsterdam ES:es-ES: PT:pt-PT: "
            "IT:it-IT:Europe/Rome GR:el-GR:Europe/Athens PL:pl-PL:Europe/Warsaw CZ:cs-CZ:Europe/Prague "
            "SK:sk-SK:Europe/Bratislava HU:hu-HU:Europe/Budapest RO:ro-RO:Europe/Bucharest BG:bg-BG:Europe/Sofia "
            "UA:uk-UA:Europe/Kyiv SE:sv-SE:Europe/Stockholm NO:nb-NO:Europe/Oslo DK:da-DK:Europe/Copenhagen "
            "FI::Europe/Helsinki US:en-US: CA:: MX:es-MX: BR:pt-BR: AR:es-AR:America/Argentina/Buenos_Aires "
            "CO:es-CO:America/Bogota CL:es-CL: PE:es-PE:America/Lima AU:en-AU: NZ:en-NZ: ZA::Africa/Johannesburg "
            "EG:ar-EG:Africa/Cairo NG:en-NG:Africa/Lagos KE:en-KE:Africa/Nairobi"
        ).split()
    )
}
_COUNTRY: Final = re.compile(r"[A-Z]{2}")


def derive(number: PhoneNumber | None, region: str | None) -> dict[str, str]:
    """Time zone and language of whoever has this number and lives in this region, as far as they can be told.

    The region goes before the number where it names a country (ISO 3166-1 alpha-2): people keep their number when they
    move. A zone is told only where there is exactly one that it can be, so not of an American without an area code.

    Gives:
        `time_zone` (IANA) and `language` (BCP 47), or one of them, or nothing.
    """
    country = region if region and _COUNTRY.fullmatch(region) else None
    called = number.region if number else None
    language, zone = _COUNTRIES.get(country or called or "", ("", ""))
    if number is not None and country in (None, called):
        zones = number.time_zones
        if zones:
            zone = zones[0] if len(zones) == 1 else ""
    return {name: told for name, told in (("time_zone", zone), ("language", language)) if told}
