"""What `gate-station voice` does: renders what the station may have to say, and tries the loudspeaker."""

from __future__ import annotations

import argparse
import queue

import msgspec

from drivers.loudspeaker import open_loudspeaker
from drivers.speech import FOLDER, SpeechCache
from station.config import Config, ConfigError, VoiceConfig, load
from station.core.model import Text
from station.core.signals import Rank
from station.core.speech import Utterance
from station.held import held_words
from station.ports import DeviceFault, Spoken, SpokenHow
from station.prompts import everything
from station.wording import text

OK, FAILED = 0, 1
LONGEST_S = 120.0


def render(options: argparse.Namespace) -> int:
    """Render every sentence that is not in the cache yet. Raises DeviceFault."""
    config = load(options.config)
    cache = SpeechCache(config.paths.state / FOLDER, config.voice.speed)
    sentences = {
        (words[language], language) for words in everything(*held_words(config)) for language in config.voice.languages
    }
    made = 0
    for sentence, language in sorted(sentences):
        made += cache.missing(sentence, language)
        cache.samples(sentence, language)
    print(f"{len(sentences)} sentences in {config.paths.state / FOLDER}, {made} of them made now")  # noqa: T201 - a command prints
    return OK


def say(options: argparse.Namespace) -> int:
    """Say a text, or the test sentence, and wait for its end. Raises DeviceFault."""
    config = load(options.config)
    if options.text and not options.text.strip():
        raise ConfigError("nothing to say: the text is empty")
    voice, words = _words(config, options.text, options.language)
    volume = voice.volume if options.volume is None else options.volume
    if not 0 <= volume <= 100:  # noqa: PLR2004 - per cent
        raise ConfigError(f"--volume {volume}: it goes from 0 to 100")
    reports: queue.Queue[Spoken | DeviceFault | None] = queue.Queue()
    loudspeaker = open_loudspeaker(voice, config.paths.state / FOLDER, reports.put)
    loudspeaker.say(Utterance(1, "voice", "test", words, volume, Rank.ALARM))
    try:
        while not isinstance(report := reports.get(timeout=LONGEST_S), Spoken):
            if isinstance(report, DeviceFault):
                raise report
    except queue.Empty:
        raise DeviceFault("loudspeaker", f"nothing was said within {LONGEST_S:.0f} s", "Is the card in use?") from None
    finally:
        loudspeaker.close()
    return OK if report.how is SpokenHow.PLAYED else FAILED


def _words(config: Config, said: str | None, language: str | None) -> tuple[VoiceConfig, Text]:
    """Return the voice to speak with and what it says: a text in one language, or the test sentence in those asked."""
    languages = (language,) if language else config.voice.languages[:1] if said else config.voice.languages
    words = {languages[0]: said} if said else text("voice-test")
    return msgspec.structs.replace(config.voice, languages=languages), words
