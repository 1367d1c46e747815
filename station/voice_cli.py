"""gate-station voice: its actions. What they do is in station/rehearsal.py, which loads what only they need."""

from __future__ import annotations

import argparse

from station.core.model import LANGUAGES


def add_actions(parser: argparse.ArgumentParser) -> None:
    """Declare what can be done with the voice."""
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    about = "render every sentence into the cache now, instead of while the station starts"
    actions.add_parser("render", help=about, description=about).set_defaults(run=_render)
    about = "say something through the loudspeaker: a test sentence, or a text"
    say = actions.add_parser("say", help=about, description=about)
    say.add_argument("text", nargs="?", help="what to say; default: a test sentence in every configured language")
    say.add_argument("--language", choices=LANGUAGES, help="language of the text; default: the first configured one")
    say.add_argument("--volume", type=int, help="0 to 100; default: the configured volume, whatever the hour")
    say.set_defaults(run=_say)


def _render(options: argparse.Namespace) -> int:
    from station.rehearsal import render  # noqa: PLC0415 - safe-outputs must not wait for it to load

    return render(options)


def _say(options: argparse.Namespace) -> int:
    from station.rehearsal import say  # noqa: PLC0415 - as above

    return say(options)
