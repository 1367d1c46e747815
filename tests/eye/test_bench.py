"""The bench's judgement, on made-up figures: what is missed is called missed, in tables and in the exit code."""

from __future__ import annotations

import json
import math
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.eye import bench, figures, measure, peers, report, sets
from tests.eye.figures import Bar
from tests.eye.measure import BurstRow, Reading, Rows, Shown, StillRow
from tests.eye.peers import PEERS, STILL, STREAM, ZBAR, ZXING, ZXING_FRAME

EVERYONE = (STILL, STREAM, *PEERS)


def row(
    expected: tuple[str, ...], readers: set[str], *, ms: dict[str, float] | None = None, texts: tuple[str, ...] = ()
) -> StillRow:
    """A picture that `readers` read, in three runs; everyone takes 10 ms unless told, our stream 0.2."""
    spent = dict.fromkeys(EVERYONE, 10.0) | {STREAM: 0.2} | (ms or {})
    run = {name: Reading(spent[name] / 1000, (expected or texts) if name in readers else ()) for name in EVERYONE}
    run |= {frame: run[peer] for frame, peer in measure.FRAMED.items()}  # the picture is a camera frame
    return StillRow("rendered", "glare", expected, (run, run, run))


def good_stills() -> list[StillRow]:
    """Ours read 9 of 10, zxing-cpp 6, pyzbar 3; one empty frame."""
    rows = [row((f"T{n}",), {STILL, STREAM}) for n in range(3)]
    rows += [row((f"T{n}",), {STILL, STREAM, ZXING}) for n in range(3, 6)]
    rows += [row((f"T{n}",), {STILL, STREAM, ZXING, ZBAR}) for n in range(6, 9)]
    return [*rows, row(("T9",), set()), row((), set())]


def good_bursts() -> list[BurstRow]:
    """Of 300 bursts ours reads 270 at the third frame, zxing-cpp 120 at the fifth; ours costs 5 ms a frame."""

    def run(number: int) -> dict[str, Shown]:
        def shown(read: bool, frames: int, ms: float) -> Shown:
            count = frames if read else 10
            return Shown(count, count * ms / 1000, read)

        return {
            STREAM: shown(number < 270, 3, 5.0),
            ZXING: shown(number < 120, 5, 2.0),
            ZBAR: shown(number < 100, 6, 18.0),
        }

    return [BurstRow("rendered", "burst/glare", (run(n), run(n), run(n))) for n in range(300)]


def good() -> Rows:
    return Rows(good_stills(), good_bursts(), [8.0] * 100)


def missed(rows: Rows) -> set[str]:
    """Names of the bars that miss their floor."""
    return {bar.name for bar in figures.judge(rows) if bar.missed}


def test_good_figures_pass() -> None:
    """With every floor met nothing is missed and the exit code is 0."""
    bars = figures.judge(good())
    assert missed(good()) == set()
    assert figures.exit_code(bars) == 0
    by_name = {bar.name: bar.figure for bar in bars}
    assert by_name["still: misses against zxing-cpp"] == pytest.approx(1 / 4)
    assert by_name["still: codes read more than all peers together"] == 3
    assert by_name["bursts: number read against zxing-cpp"] == pytest.approx(270 / 120)


def test_each_line_of_the_bar_table_is_judged() -> None:
    """Every floor of the specification has its bar: eight ratios, false texts, and the frame budget."""
    floors = {bar.name: bar.floor for bar in figures.judge(good()) if bar.floor is not None}
    assert floors == {
        "still: misses against zxing-cpp": 0.65,
        "still: misses against pyzbar": 0.45,
        "still: codes read more than all peers together": 1,
        "stream: median on readable frames against zxing-cpp": 0.6,
        "stream: median on readable frames against pyzbar": 0.06,
        "stream: median on empty frames against zxing-cpp": 1.0,
        "texts on pictures without a code": 0,
        "wrong texts after validation, stills": 0,
        "bursts: number read against zxing-cpp": 1.5,
        "bursts: frames needed against zxing-cpp": 0.75,
        "bursts: mean CPU per frame against pyzbar": 0.7,
        "wrong texts after validation, bursts": 0,
        "stream: p99 of a frame, live (ms)": 33.0,
    }
    real = {bar.name: bar.floor for bar in figures.still_bars("real", good_stills(), photographs=True)}
    assert real["still: misses against zxing-cpp"] == 0.55
    assert real["still: misses against pyzbar"] == 0.30


def test_a_false_text_on_an_empty_picture_fails() -> None:
    """One text where there is none, in any run, misses the bar whatever the rest looks like."""
    rows = good()
    rows.stills.append(row((), {STREAM}, texts=("FROM NOWHERE",)))
    assert missed(rows) == {"texts on pictures without a code"}
    assert figures.exit_code(figures.judge(rows)) == 1


def test_a_stale_text_fails() -> None:
    """A text of another picture passes validation; read here, it counts as wrong."""
    rows = good()
    run = {name: Reading(0.0002, ("T1",) if name == STREAM else ()) for name in EVERYONE}
    rows.stills[9] = StillRow("rendered", "glare", ("T9",), (run, run, run))
    assert missed(rows) == {"wrong texts after validation, stills"}


def test_a_code_that_the_corpus_does_not_list_is_no_false_text() -> None:
    """A text that a peer decodes in the same picture is in the picture, whatever its label says."""
    rows = good()
    run = {name: Reading(0.0002, ("T1",) if name in (STREAM, ZXING) else ()) for name in EVERYONE}
    rows.stills[9] = StillRow("rendered", "glare", ("T9",), (run, run, run))
    assert "wrong texts after validation, stills" not in missed(rows)


def test_slowness_fails() -> None:
    """A slow stream misses its time bars, on readable and on empty frames; a slow frame now and then misses p99."""
    rows = good()
    rows.stills = [row(r.expected, set(r.runs[0]) if r.expected else set(), ms={STREAM: 11.0}) for r in rows.stills]
    rows.live_ms = [8.0] * 97 + [40.0] * 3
    assert missed(rows) >= {
        "stream: median on readable frames against zxing-cpp",
        "stream: median on readable frames against pyzbar",
        "stream: median on empty frames against zxing-cpp",
        "stream: p99 of a frame, live (ms)",
    }


def test_reading_less_fails() -> None:
    """A reader no better than zxing-cpp misses the reading bars, still and in bursts."""
    rows = Rows([row(("A",), {STILL, STREAM, ZXING}), row(("B",), {ZBAR}), row((), set())], good_bursts(), [8.0])
    for burst in rows.bursts:
        for run in burst.runs:
            run[STREAM] = Shown(run[ZXING].frames, run[ZXING].seconds, run[ZXING].read)
    assert missed(rows) == {
        "still: misses against zxing-cpp",
        "still: misses against pyzbar",
        "still: codes read more than all peers together",
        "bursts: number read against zxing-cpp",
        "bursts: frames needed against zxing-cpp",
    }


def test_the_median_of_the_runs_counts() -> None:
    """One bad run of three does not decide a time bar."""
    rows = good()
    slow = {name: Reading(1.0, reading.texts) for name, reading in rows.stills[-1].runs[0].items()}
    slow[ZXING_FRAME] = Reading(0.001, ())
    last = rows.stills[-1]
    rows.stills[-1] = StillRow(last.set_name, last.category, last.expected, (slow, *last.runs[1:]))
    assert missed(rows) == set()


def test_what_was_not_measured_is_missed() -> None:
    """Without a live pass the frame budget counts as missed, not as met."""
    rows = good()
    rows.live_ms = []
    assert missed(rows) == {"stream: p99 of a frame, live (ms)"}


@pytest.mark.parametrize(
    ("bar", "verdict"),
    [
        (Bar("n", "s", 0.3, 0.5, 0.4), "goal"),
        (Bar("n", "s", 0.45, 0.5, 0.4), "floor"),
        (Bar("n", "s", 0.51, 0.5, 0.4), "MISSED"),
        (Bar("n", "s", 1.6, 1.5, 2.0, at_least=True), "floor"),
        (Bar("n", "s", 1.4, 1.5, 2.0, at_least=True), "MISSED"),
        (Bar("n", "s", math.nan, 1.5, None, at_least=True), "MISSED"),
        (Bar("n", "s", 3, None, 0), "below goal"),
        (Bar("n", "s", 3, None, None), ""),
    ],
)
def test_verdicts(bar: Bar, verdict: str) -> None:
    """Floor and goal are told apart, in both directions; a figure that is no number misses."""
    assert bar.verdict == verdict


def test_the_report_shows_verdicts_and_notices() -> None:
    """The tables carry each bar with its verdict, and what could not be measured stands on top."""
    rows = good()
    rows.live_ms = []
    text = report.whole(rows, figures.judge(rows), ["The real corpus is not here"], 7, 60)
    assert "> The real corpus is not here" in text
    assert "| stream: p99 of a frame, live (ms) | live | inf | at most 33 |  | MISSED |" in text
    assert "| still: misses against zxing-cpp | rendered | 0.25 | at most 0.65 | at most 0.4 | goal |" in text


def test_texts_that_peers_spell_as_latin_1_count() -> None:
    """A peer that hands out Shift JIS bytes as Latin-1 has read the code; another text is not excused."""
    spelled = "ﾃﾞｻﾞｲﾝ".encode("shift_jis").decode("latin-1")
    assert measure.found([spelled], ("ﾃﾞｻﾞｲﾝ",)) == 1
    assert measure.found(["EP1:AB"], ("EP1:ABC",)) == 0


def test_the_corpus_may_be_absent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without the corpus and the prototype the sets say so instead of failing."""
    monkeypatch.setenv(sets.SHARED_VARIABLE, str(tmp_path))
    assert sets.real() is None
    assert sets.render_prototype(tmp_path, 1, 1, 1, 1) is None


def test_a_corpus_is_read_from_its_manifest(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Pictures, categories and expectations come from the manifest; negatives expect nothing."""
    folder = tmp_path / "corpus" / "qr"
    folder.mkdir(parents=True)
    cv2.imwrite(str(folder / "a.png"), np.full((40, 50, 3), 200, np.uint8))
    rows = [{"path": "a.png", "category": "x/y", "kind": "text", "expected": ["HELLO"]}]
    rows += [{"path": "a.png", "category": "neg/z", "kind": "neg"}]
    (folder / "manifest.json").write_text(json.dumps(rows), "utf-8")
    monkeypatch.setenv(sets.SHARED_VARIABLE, str(tmp_path))
    real = sets.real()
    assert real is not None
    assert [still.negative for still in real.stills] == [False, True]
    assert real.stills[0].load().shape == (40, 50)
    assert real.issued == {"HELLO"}


def test_stored_pictures_of_the_prototype_are_a_set(tmp_path: Path) -> None:
    """A folder written by the prototype's renderer gives stills and bursts, wherever the folder has been moved to."""
    cv2.imwrite(str(tmp_path / "clean_s1_000.png"), np.full((72, 128), 90, np.uint8))
    stills = [{"path": "gone/clean_s1_000.png", "kind": "text", "category": "clean", "expected": ["GP1:X"]}]
    bursts = [{"paths": ["gone/clean_s1_000.png"] * 3, "category": "burst/far", "expected": ["GP1:Y"]}]
    (tmp_path / "manifest.json").write_text(json.dumps(stills), "utf-8")
    (tmp_path / "bursts.json").write_text(json.dumps(bursts), "utf-8")
    stored = sets.prototype(tmp_path)
    assert stored.issued == {"GP1:X", "GP1:Y"}
    assert [frame.shape for frame in stored.bursts[0].frames()] == [(72, 128)] * 3


def test_a_missing_reader_ends_the_bench_with_words(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where our reader cannot be loaded the bench says which part is missing and exits with 2."""

    def absent(*_: object) -> Rows:
        raise peers.ReaderMissingError("our reader cannot be imported")

    monkeypatch.setenv(sets.SHARED_VARIABLE, str(tmp_path))
    monkeypatch.setattr(bench, "_measured", absent)
    assert bench.main(["--seed", "1", "--quick"]) == 2
    assert "our reader cannot be imported" in capsys.readouterr().err


def test_a_small_bench_runs_through_every_reader() -> None:
    """One picture, one empty frame and one burst, measured by all readers in two interleaved runs."""
    pictures = sets.rendered(2, 1, 1, 1)
    small = sets.PictureSet("rendered", (pictures.stills[0], pictures.stills[-1]), pictures.bursts)
    rows = measure.measure(measure.share(small, 0, 1, 5, 2))
    assert [len(still.runs) for still in rows.stills] == [2, 2]
    installed = set(peers.peers()[0])
    assert set(rows.stills[0].runs[0]) == installed | {STILL, STREAM} | set(measure.FRAMED)
    assert measure.found(rows.stills[0].runs[0][STILL].texts, rows.stills[0].expected) == 1
    assert 1 <= rows.bursts[0].runs[1][STREAM].frames <= 10
    assert all(reading.seconds >= 0 for reading in rows.stills[0].runs[1].values())


@pytest.mark.parametrize("shape", [(240, 240), (1000, 300), (60, 2000), (720, 1280)])
def test_a_picture_becomes_a_camera_frame(shape: tuple[int, int]) -> None:
    """Whatever its shape, a picture is shown to the stream as a frame of 1280 x 720, whole and undistorted."""
    picture = np.full(shape, 200, np.uint8)
    picture[: shape[0] // 2] = 40
    frame = measure.as_frame(picture)
    assert frame.shape == (720, 1280)
    assert {40, 200} <= set(np.unique(frame).tolist())
