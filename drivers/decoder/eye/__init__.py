"""The eye: our own reader, for stills and for video.

It stands on zxing-cpp and ZBar, which see quickly what is easy, and goes on where they stop: pre-processed views
(views.py), its own search for symbols (finder.py), a receiver with soft values (soft.py) and, in video, tracking
(tracker.py) and the combination of frames (stream.py).
"""

from drivers.decoder.eye.still import StillReader
from drivers.decoder.eye.stream import StreamReader

__all__ = ["StillReader", "StreamReader"]
