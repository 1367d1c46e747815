"""A sound card at the lowest level: ALSA's own `file` plugin, for the real `aplay`; what reached it can be looked at.

`environment` names an ALSA configuration of its own, so neither the machine's cards nor its settings play a part. A
card that is `paced` is a pipe: it takes samples only while somebody reads them, as a real one takes them in real time.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

CARD, PACED = "card", "paced"

_CONFIGURATION = """
pcm.{name} {{
    type file
    slave.pcm {{ type null }}
    file "{file}"
    format "raw"
}}
"""


class SoundCard:
    """Two cards, `card` and `paced`, in a folder of the test's own. Removing the configuration unplugs them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._configuration = folder / "alsa.conf"
        self.paced = folder / "paced.fifo"
        os.mkfifo(self.paced)
        self.plug_in()

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs in its environment to see these cards and no others."""
        return {"ALSA_CONFIG_PATH": str(self._configuration)}

    def plug_in(self) -> None:
        """Let the cards be there."""
        files = {CARD: self._folder / "card.raw", PACED: self.paced}
        text = "".join(_CONFIGURATION.format(name=name, file=file) for name, file in files.items())
        self._configuration.write_text(text, encoding="utf-8")

    def unplug(self) -> None:
        """Let there be no card."""
        self._configuration.write_text("", encoding="utf-8")

    def heard(self) -> NDArray[np.int16]:
        """Return the samples of the last sound that reached `card`; a player pads its last period with silence."""
        path = self._folder / "card.raw"
        return np.frombuffer(path.read_bytes() if path.exists() else b"", "<i2").astype(np.int16)
