"""The voice at a simulated gate: which sentence when, in one row of the timeline, and how short the sentences are."""

from __future__ import annotations

import pytest

from station.core.model import LANGUAGES
from station.core.reasons import REASONS
from station.prompts import UNHEARD, everything, joined
from station.simulation.scenario import load
from station.views import ALARMS
from station.wording import text
from tests.simulation.scenes import DOCS, DOOR_AT_REST, HEAD, play, played, written

ANNOUNCED = DOCS / "scenarios" / "announcements" / "testing-day.toml"
VOICE = "voice = true\n"
LONGEST = {"zh": 60, "en": 170}
"""Characters: about ten seconds."""
MEASURES = """
[[lanes]]
id = "in"
thermometer = true
door = { relay = { pin = 17 }, contact = { pin = 22 } }
[passes.wang]
"""
TWO_LANES = """
[[lanes]]
id = "in"
direction = "out"
door = { relay = { pin = 17 } }
[[lanes]]
id = "out"
direction = "out"
door = { relay = { pin = 5 } }
[passes.wang]
[passes.li]
[passes.zhao]
days = -1
"""


def said(came) -> list[tuple[float, str]]:
    """When something was begun to be said, and what."""
    return [(change.at_s, change.value) for change in came.timeline.changes if change.track == "voice" and change.value]


def scan(at: float, name: str, lane: str = "in") -> str:
    """A pass is held up."""
    return f'[[steps]]\nat = {at}\nlane = "{lane}"\nscan = ["{name}"]\n'


def test_without_a_voice_there_is_no_row(tmp_path):
    """A gate without a loudspeaker has nothing to show for it."""
    assert "voice" not in played(tmp_path, DOOR_AT_REST).timeline.tracks


def test_the_persons_next_sentence_cuts_the_one_before(tmp_path):
    """Look at the sensor, come through: the second does not wait for the end of the first."""
    came = played(tmp_path, VOICE + MEASURES + DOOR_AT_REST + scan(2, "wang"))
    assert [name for _, name in said(came)] == ["voice-measuring", "voice-granted"]
    (begun, _), (next_begun, _) = said(came)
    assert next_begun - begun < 1


def test_lanes_take_turns(tmp_path):
    """Another lane's sentence waits for a moment, and is left out where that moment is over."""
    soon = played(tmp_path, VOICE + TWO_LANES + DOOR_AT_REST + scan(2, "wang") + scan(2.5, "zhao", "out"))
    assert [name for _, name in said(soon)] == ["voice-granted", "reason-pass-expired"]
    late = played(tmp_path, VOICE + TWO_LANES + DOOR_AT_REST + scan(2, "zhao") + scan(2.5, "li", "out"))
    assert [name for _, name in said(late)] == ["reason-pass-expired"]


def test_an_alarm_is_said_again_while_it_lasts(tmp_path):
    """A forced door is told every 20 s until somebody shuts it, and no longer."""
    steps = "".join(
        f'[[steps]]\nat = {at}\ninput = "door-{what}"\n'
        for at, what in ((0.2, "closed"), (2, "opened"), (50, "closed"))
    )
    lane = '[[lanes]]\nid = "in"\ndoor = { relay = { pin = 17 }, contact = { pin = 22 } }\n'
    came = play(load(written(tmp_path, VOICE + lane + steps, HEAD.replace("seconds = 20", "seconds = 120"))))
    assert [(round(at), name) for at, name in said(came)] == [
        (2, "alarm-door-forced"),
        (22, "alarm-door-forced"),
        (42, "alarm-door-forced"),
    ]


def test_an_announcement_waits_for_an_idle_gate(tmp_path):
    """It begins three seconds after the last transaction, on its own row."""
    arrives = f'[[steps]]\nat = 2\nannouncements = "{ANNOUNCED}"\n'
    came = played(tmp_path, VOICE + TWO_LANES + DOOR_AT_REST + scan(1.5, "zhao") + arrives)
    (_, first), (begun, second) = said(came)[:2]
    assert (first, second) == ("reason-pass-expired", "announcement water-off")
    assert begun >= 1.5 + 4 + 3


def test_an_announcement_is_cut_short_by_whoever_comes(tmp_path):
    """Even where the person hears nothing new: who was told a moment ago is not talked over by an announcement."""
    arrives = f'[[steps]]\nat = 9\nannouncements = "{ANNOUNCED}"\n'
    again = scan(2, "zhao") + scan(8, "zhao") + scan(17, "zhao")
    came = played(tmp_path, VOICE + TWO_LANES + DOOR_AT_REST + again + arrives)
    spans = [(begin, end, name) for begin, end, name in came.timeline.spans("voice", 20.0) if name]
    assert [name for _, _, name in spans] == ["reason-pass-expired", "announcement water-off"]
    assert spans[1][0] < spans[1][1] == 17.0


# --- the sentences ---------------------------------------------------------------------------------------------------


def test_everything_is_there_in_both_languages():
    """Each reason and alarm is rendered ahead, with what to do, but the alarm that nobody must hear."""
    ahead = list(everything(None, None))
    assert all(set(words) == set(LANGUAGES) and all(words.values()) for words in ahead)
    for key in (*(f"reason-{one}" for one in REASONS), *(f"alarm-{one}" for one in ALARMS)):
        assert (joined(text(key), text(key, "next")) in ahead) == (key != UNHEARD), key


@pytest.mark.parametrize("language", LANGUAGES)
def test_sentences_are_short(language):
    """Nobody listens for longer than about ten seconds in one language."""
    assert {words[language] for words in everything(None, None) if len(words[language]) > LONGEST[language]} == set()


def test_sentences_are_parted():
    """Two messages become two sentences, whatever the first ends with."""
    assert joined({"zh": "请稍候", "en": "Wait"}, {"zh": "好。", "en": "Good."}) == {
        "zh": "请稍候。好。",
        "en": "Wait. Good.",
    }
    assert joined({"zh": "停！", "en": "Stop!"}, {"zh": "好。", "en": "Good."}) == {
        "zh": "停！好。",
        "en": "Stop! Good.",
    }
    assert joined({"zh": "停", "en": "Stop"}, {"zh": "", "en": ""}) == {"zh": "停", "en": "Stop"}
