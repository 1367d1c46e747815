"""Mistakes in the configuration of doors that no single value shows: each is named by its path, with what to do."""

from __future__ import annotations

import pytest

from station.config import ConfigError, parse

HEAD = '[station]\nid = "s"\ngate = "g"\nzone = "110101001001"\n[trust]\nroots = {}\n'.format(["00" * 32] * 3)
TOP = 'interlock = [["in", "inner"]]\n'
IN = '[[lane]]\nid = "in"\ndirection = "in"\ncamera.source = "v4l2:/dev/video0"\n'
INNER = IN.replace('"in"\nd', '"inner"\nd')
DOOR = "[lane.door]\nrelay = {{ pin = {pin}{more} }}\n"
SOUND = IN + DOOR.format(pin=17, more="")
SECOND = INNER + DOOR.format(pin=18, more="")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (SOUND + 'kind = "turnstile"\n', "name the pin of `passage` - at `$.lane[0].door`"),
        (SOUND + 'egress = "controlled"\nrex = { pin = 5 }\n', "remove `rex` - at `$.lane[0].door`"),
        (SOUND + "propped_s = 20\nheld_s = 20\n", "`propped_s` must be less than `held_s` - at `$.lane[0].door`"),
        (
            IN + DOOR.format(pin=17, more=', drive = "pulse", mode = "fail-safe"'),
            'use drive = "hold" - at `$.lane[0].door`',
        ),
        (SOUND + INNER, "or `door_of` with the lane whose door it shares - at `$.lane[1].door`"),
        (SOUND + INNER + 'door_of = "side"\n', "'side', which is no lane with a door - at `$.lane[1].door`"),
        (SOUND + INNER + 'door_of = "inner"\n', "'inner', which is no lane with a door"),
        (SOUND + SOUND.replace("17", "18"), "same id - at `$.lane`"),
        (SOUND + SECOND.replace("18", "17"), "`$.lane[0].door.relay` and `$.lane[1].door.relay`"),
        *(
            (SOUND + f"{name} = {{ pin = 17 }}\n", f"`$.lane[0].door.relay` and `$.lane[0].door.{name}`")
            for name in ("contact", "bolt", "passage", "rex", "fire", "break_glass", "tamper", "block")
        ),
    ],
)
def test_a_mistake_is_named(text, says):
    """The message says what is wrong, where, and what to do."""
    with pytest.raises(ConfigError) as error:
        parse(HEAD + text)
    assert says in str(error.value)


@pytest.mark.parametrize("group", ['["in"]', '["in", "in"]', '["in", "cellar"]', "[]"])
def test_an_interlock_names_two_lanes_with_doors(group):
    """One lane, the same twice, an unknown one or none: said with its path."""
    with pytest.raises(ConfigError, match=r"at `\$.interlock`"):
        parse(f"interlock = [{group}]\n" + HEAD + SOUND + SECOND)


def test_all_mistakes_are_told_at_once():
    """A technician fixes the file once."""
    with pytest.raises(ConfigError) as error:
        parse(HEAD + SOUND + 'kind = "turnstile"\npropped_s = 30\n' + SECOND.replace("18", "17"))
    assert len(str(error.value).splitlines()) == 3


def test_what_is_right_is_taken():
    """A sluice, a shared door and a turnstile on a pulsed relay are read."""
    lanes = SOUND + SECOND + INNER.replace("inner", "out") + 'door_of = "in"\n'
    turnstile = DOOR.format(pin=19, more=', drive = "pulse"') + 'kind = "turnstile"\npassage = { pin = 6 }\n'
    config = parse(TOP + HEAD + lanes + INNER.replace("inner", "side") + turnstile)
    assert [name for name, _ in config.doors()] == ["in", "inner", "side"]
    assert config.interlock == (("in", "inner"),)


def test_an_empty_turnstile_is_no_door():
    """A door's kind is one of three words."""
    with pytest.raises(ConfigError, match=r"\$.lane\[0\].door.kind"):
        parse(HEAD + SOUND + 'kind = "gate"\n')
