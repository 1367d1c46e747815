"""What gate-sync must see of a notice from the site's other gates, to keep few of them: whether it tells of anybody.

Nothing is verified here; gate-station does that. Who could forge a notice could as well hold it back.
"""

from __future__ import annotations

from collections.abc import Mapping

from station.core import cose


def tells_nothing(raw: bytes) -> bool:
    """Say whether a notice only says that there were no passages: then the next one takes its place."""
    try:
        fields = cose.decode_strict(cose.open_sign1(raw).payload)
    except cose.CoseError:
        return True  # of no use to anybody
    return not isinstance(fields, Mapping) or not fields.get("passages")
