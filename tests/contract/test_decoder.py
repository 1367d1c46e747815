"""The decoder's contract, on pictures from the twin's renderer: reads exactly, names corners, fears no picture."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from drivers.decoder import make_decoder, read_still
from drivers.decoder.eye import StillReader
from drivers.decoder.zbar import EFFORTS, clockwise, text_of
from drivers.twins.scene import Scene, render
from station.ports import DecodedCode, Decoder, DeviceFault, Gray

BASE45 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"


def pass_text(length: int, seed: int = 1) -> str:
    """Return a text of the alphabet and length of an EP1 pass."""
    rng = np.random.default_rng(seed)
    return "EP1:" + "".join(BASE45[i] for i in rng.integers(0, 45, length - 4))


TYPICAL, WITH_KEY = pass_text(240), pass_text(310)


def shown(*codes: dict[str, object], **optics: object) -> Gray:
    """Return a frame of these codes."""
    return render(Scene.parse({"codes": list(codes), **optics}), 2)


def persistently(decoder: Decoder, gray: Gray) -> list[DecodedCode]:
    """Read a picture as often as the decoder has efforts, as a held pass is read."""
    for _ in range(EFFORTS):
        if codes := decoder.read(gray):
            return codes
    return []


@pytest.fixture
def decoder() -> Decoder:
    """Return a fresh decoder."""
    return make_decoder("pyzbar")


@pytest.mark.parametrize("text", [TYPICAL, WITH_KEY], ids=["240", "310"])
@pytest.mark.parametrize(
    ("code", "stage"),
    [
        ({}, "zbar"),
        ({"roll_deg": 180}, "zbar"),
        ({"roll_deg": 45, "size": 0.45}, "zbar"),
        ({"dark": True}, "zbar-inverted"),
        ({"medium": "paper"}, "zbar"),
        ({"medium": "paper", "creased": True}, "zbar"),
        ({"size": 0.35}, "zbar"),
        ({"size": 0.8}, "zbar"),
        ({"x": -1, "y": 0.3, "size": 0.4}, "zbar"),
        ({"yaw_deg": 12, "pitch_deg": -8, "roll_deg": -10, "size": 0.45}, "zbar"),
        ({"yaw_deg": 35, "pitch_deg": 20, "roll_deg": 15}, "zbar-flattened"),
        ({"yaw_deg": -30, "dark": True}, "zbar-inverted-flattened"),
    ],
    ids=lambda value: "-".join(map(str, value.values())) or "upright" if isinstance(value, dict) else value,
)
def test_reads_exactly(decoder: Decoder, text: str, code: dict[str, object], stage: str) -> None:
    """In every condition of the gate the text comes back character for character, with the stage that read it."""
    codes = persistently(decoder, shown({"text": text, **code}))
    assert [(found.text, found.raw, found.stage) for found in codes] == [(text, text.encode(), stage)]


@pytest.mark.parametrize("optics", [{"blur_px": 3}, {"exposure": 0.25}, {"exposure": 1.6}, {"noise": 12}])
def test_reads_through_poor_optics(decoder: Decoder, optics: dict[str, object]) -> None:
    """Blur, too little or too much light and noise, as cameras at a gate have them, do not hide a pass."""
    assert [code.text for code in persistently(decoder, shown({"text": TYPICAL}, **optics))] == [TYPICAL]


def test_two_codes(decoder: Decoder) -> None:
    """Two passes in one frame are both told, so that the lane can say "one at a time"."""
    left = {"text": TYPICAL, "x": -0.8, "size": 0.5}
    right = {"text": WITH_KEY, "x": 0.8, "size": 0.5, "medium": "paper"}
    assert {code.text for code in decoder.read(shown(left, right))} == {TYPICAL, WITH_KEY}


@pytest.mark.parametrize("code", [{}, {"yaw_deg": 35, "pitch_deg": 20}], ids=["straight", "tilted"])
def test_corners_lie_on_the_code(decoder: Decoder, code: dict[str, object]) -> None:
    """The corners are those of the code in the frame (not of a reduced view), clockwise from the top left."""
    (found,) = persistently(decoder, shown({"text": TYPICAL, "size": 0.5, **code}))
    corners = np.array(found.quad, np.float32)
    assert corners.mean(axis=0) == pytest.approx([640, 360], abs=25)
    assert cv2.contourArea(corners) == pytest.approx((360 * 360) * (0.75 if code else 1), rel=0.12)
    assert corners[0].sum() == corners.sum(axis=1).min()
    assert cv2.contourArea(corners, oriented=True) > 0


@given(start=st.integers(0, 3), step=st.sampled_from([1, -1]))
def test_clockwise_from_any_turn(start: int, step: int) -> None:
    """A square told from any corner and either way round comes out clockwise from its top left corner."""
    square = [(0.0, 0.0), (9.0, 1.0), (10.0, 10.0), (1.0, 9.0)]
    told = [square[(start + step * number) % 4] for number in range(4)]
    assert clockwise(np.array(told)) == tuple(square)


@pytest.mark.parametrize("text", ["https://example.org/?a=1", "粤通码：12345", "HELLO WORLD", "1234567890"])
def test_foreign_texts(decoder: Decoder, text: str) -> None:
    """Payment codes and other people's passes are read too, so that the gate can say what they are."""
    assert [code.text for code in decoder.read(shown({"text": text}))] == [text]


def test_text_that_is_not_utf8() -> None:
    """Bytes in no known encoding become one character each instead of an error."""
    assert text_of(b"\xff\xfe\x80") == "\xff\xfe\x80"
    assert text_of("é码".encode()) == "é码"


def bar_code(digits: str) -> Gray:
    """Return a UPC-A bar code (GS1 General Specifications 5.2.1), as on a bottle held before the camera."""
    left = [
        "0001101",
        "0011001",
        "0010011",
        "0111101",
        "0100011",
        "0110001",
        "0101111",
        "0111011",
        "0110111",
        "0001011",
    ]
    right = [code.translate(str.maketrans("01", "10")) for code in left]
    halves = ["".join(table[int(d)] for d in part) for table, part in ((left, digits[:6]), (right, digits[6:]))]
    bars = [255 - 255 * int(bit) for bit in f"{'0' * 12}101{halves[0]}01010{halves[1]}101{'0' * 12}"]
    return np.tile(np.array(bars, np.uint8).repeat(4), (300, 1))


def hostile() -> dict[str, Gray]:
    """Return pictures no decoder likes."""
    rng = np.random.default_rng(3)
    print_ = np.full((720, 1280), 220, np.uint8)
    for row in range(20):
        words = "".join(BASE45[i] for i in rng.integers(0, 45, 60))
        cv2.putText(print_, words, (10, 34 * row + 30), cv2.FONT_HERSHEY_SIMPLEX, 1, (20,), 2)
    noise = rng.integers(0, 256, (720, 1280), dtype=np.uint8)
    soft = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 3), None, 0, 255, cv2.NORM_MINMAX)
    return {
        "black": np.zeros((720, 1280), np.uint8),
        "white": np.full((720, 1280), 255, np.uint8),
        "one pixel": np.zeros((1, 1), np.uint8),
        "nothing": np.zeros((0, 0), np.uint8),
        "line": np.zeros((1, 4000), np.uint8),
        "colour": np.zeros((90, 90, 3), np.uint8),
        "noise": noise,
        "soft noise": np.asarray(soft, np.uint8),
        "stripes": np.tile(np.array([0, 255], np.uint8).repeat(4), (720, 160)),
        "print": print_,
        "bar code": bar_code("012345678905"),
    }


@pytest.mark.parametrize("name", hostile())
def test_hostile_pictures(decoder: Decoder, name: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Pictures without a code hold none, raise nothing, and make the C libraries print nothing, in every effort."""
    picture = hostile()[name]
    for _ in range(EFFORTS):
        assert decoder.read(picture) == []
    assert capfd.readouterr() == ("", "")


@settings(max_examples=40, deadline=None)
@given(hnp.arrays(np.uint8, hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=60)))
def test_any_array_is_survived(picture: Gray) -> None:
    """No array of bytes, of whatever shape, makes the decoder raise."""
    decoder = make_decoder("pyzbar")
    for _ in range(EFFORTS):
        assert isinstance(decoder.read(picture), list)


def test_unknown_decoder() -> None:
    """A name that is no decoder is a fault that says which name is."""
    with pytest.raises(DeviceFault, match="pyzbar"):
        make_decoder("magic")


def test_missing_library_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without libzbar0 the fault says which package to install."""
    monkeypatch.setitem(sys.modules, "pyzbar", None)
    with pytest.raises(DeviceFault, match="apt install libzbar0"):
        make_decoder("pyzbar")


def test_a_small_still_is_read() -> None:
    """A still too small for one look is read with all effort, and its corners refer to the still."""
    small = cv2.resize(shown({"text": TYPICAL, "size": 0.8}), None, fx=0.14, fy=0.14, interpolation=cv2.INTER_AREA)
    (code,) = StillReader().read(np.asarray(small, np.uint8))
    assert code.text == TYPICAL
    assert np.array(code.quad).mean(axis=0) == pytest.approx([90, 50], abs=6)


def test_file_without_code(tmp_path: Path) -> None:
    """A picture without a code gives an empty list after all efforts."""
    cv2.imwrite(str(tmp_path / "gray.png"), np.full((90, 160), 128, np.uint8))
    assert read_still(tmp_path / "gray.png") == []


@pytest.mark.parametrize("content", [b"", b"not a picture", b"\x89PNG\r\n\x1a\n", None])
def test_unusable_file_is_named(tmp_path: Path, content: bytes | None) -> None:
    """A file that is missing, empty, broken or no picture is a fault that names it."""
    path = tmp_path / "pass.png"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DeviceFault, match=r"pass\.png"):
        read_still(path)


@pytest.mark.parametrize("name", ["eye", "zxing", "pyzbar"])
def test_every_decoder_reads_what_is_easy(name: str) -> None:
    """Whatever decoder is configured reads a pass held up straight, and a foreign code, and can be closed twice."""
    decoder = make_decoder(name, lambda text: text == TYPICAL)
    for text in (TYPICAL, "https://example.org/"):
        codes = persistently(decoder, shown({"text": text, "size": 0.6}))
        assert [code.text for code in codes] == [text]
        assert codes[0].validated == (name == "eye" and text == TYPICAL)
    decoder.close()
    decoder.close()
