"""What the scenario's office signs and the station's inbox receives: documents, whole and at once."""

from __future__ import annotations

import hashlib
from pathlib import Path

from station.core import announcement_source, policy_source
from station.simulation.office import Office
from station.simulation.scenario import ScenarioError
from station.simulation.stage import StageClock, StageInbox


class Post:
    """Carries documents from an office to an inbox. Methods raise ScenarioError for a source that cannot be used."""

    def __init__(self, office: Office, inbox: StageInbox, clock: StageClock) -> None:
        self._office, self._inbox, self._clock = office, inbox, clock

    def first(self, policy: Path) -> None:
        """Send all that a station needs to begin."""
        self._inbox.arrive("trust", self._office.trust())
        self.policy(policy)
        self.status()

    def policy(self, path: Path) -> None:
        """Send a policy by its source."""
        try:
            text = path.read_text(encoding="utf-8")
            fields = policy_source.read_source(text, as_json=path.suffix == ".json")
        except (OSError, ValueError) as error:
            raise ScenarioError(f"policy {path}: {error}") from error
        self._inbox.arrive("policy", self._office.policy(fields, self._clock.now().seconds))

    def announcements(self, path: Path) -> None:
        """Send a list of announcements by its source."""
        try:
            rows = announcement_source.read_source(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ScenarioError(f"announcements {path}: {error}") from error
        self._inbox.arrive("announcement", self._office.announcements(rows, self._clock.now().seconds))

    def status(self) -> None:
        """Send the status list as it is now."""
        manifest, chunk = self._office.status(self._clock.now().seconds)
        self._inbox.chunks[hashlib.sha256(chunk).digest()] = chunk
        self._inbox.arrive("status", manifest)
