"""The community office of the demo: keys, policy, status lists and the passes of everybody in the crowd."""

from __future__ import annotations

import secrets
import time
from dataclasses import replace
from pathlib import Path

from station.core.documents import Role
from station.core.model import Credential, Direction, Health, HealthCode, PassClass, Status
from sync.central.issuer import DocumentShelf, issue_pass, read_policy_source
from sync.central.keys import Keyring, SigningKey
from sync.central.status_register import StatusRegister

ZONE = "320611001001"
ELSEWHERE = "320611002002"
GATE = "east"
DAY_S = 86_400
POLICY = Path(__file__).parents[2] / "docs" / "how-to" / "policies" / "compound.toml"


class Office:
    """One office folder with everything in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.keyring, self.shelf, self.register = Keyring(folder), DocumentShelf(folder), StatusRegister(folder)
        self.roots = [root.hex() for root in self.keyring.create_roots()]
        now = int(time.time())
        scope = (now - 400 * DAY_S, now + 400 * DAY_S)
        self.keyring.create("passes", [Role.PASS], ["3206"], list(PassClass), scope)
        self.keyring.create("central", [Role.POLICY, Role.STATUS, Role.ACK], ["3206"], [], scope)
        self.passes, self.central = self.keyring.key("passes"), self.keyring.key("central")
        self.keyring.personal.create()
        self.shelf.sign_trust(self.keyring, (now, now + 30 * DAY_S))
        self.sign_policy()

    def sign_policy(self, level: str = "precaution") -> None:
        """Sign the compound's policy with a level for the zone."""
        now = int(time.time())
        source = read_policy_source(POLICY) | {"zones": {ZONE: level}}
        self.shelf.sign_policy(source, self.central, (now, now + 30 * DAY_S))

    def sign_status(self) -> None:
        """Sign the status lists as they are."""
        now = int(time.time())
        self.shelf.sign_status(self.register, self.central, (now, now + 7 * DAY_S))

    def issue(
        self,
        pass_class: PassClass = PassClass.RESIDENT,
        *,
        name: str = "王*",
        days: tuple[float, float] = (-1, 30),
        zone: str = ZONE,
        gates: frozenset[str] = frozenset(),
        directions: frozenset[Direction] = frozenset(Direction),
        status: Status = Status.OK,
        plate: str = "",
        key: SigningKey | None = None,
    ) -> str:
        """Issue a pass; `days`: begin and end of validity from now; `key`: a stranger's, for a forged one."""
        now = int(time.time())
        issuer = self.passes
        index = self.register.allocate(issuer.kid)
        self.register.set(issuer.kid, index, status)
        credential = Credential(
            kid=issuer.kid,
            cti=secrets.token_bytes(8),
            not_before=now + round(days[0] * DAY_S),
            expires=now + round(days[1] * DAY_S),
            pass_class=pass_class,
            home_zone=zone,
            directions=directions,
            gates=gates,
            health=Health(HealthCode.GREEN, now // DAY_S),
            name=name,
            household=secrets.token_bytes(6),
            plate=plate,
            status_index=index,
        )
        if key is None:
            return issue_pass(credential, issuer)
        return issue_pass(replace(credential, kid=key.kid), key)
