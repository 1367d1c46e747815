"""The phone page in a real Chromium, seen by the real reader: its key, and the live code that a gate verifies."""

from __future__ import annotations

import pytest
import zxingcpp
from cryptography.hazmat.primitives.asymmetric import ec

from drivers.camera.recorded import load_gray
from station.core import base45
from station.core.credential import parse
from station.core.model import Credential, Live
from tests.browser import ARGUMENTS, CHROMIUM, needs_chromium
from tests.core.issuing import NOW, TRUST, TYPICAL, pass_text

from .device import measured

NONCE = bytes.fromhex("3f2a91c077de0b14")
QR = zxingcpp.BarcodeFormat.QRCode
"""Asked for by name: among every format, about one code in 300 also shows a row that happens to be a bar code."""

pytestmark = [pytest.mark.browser, needs_chromium]


# --- the key ---------------------------------------------------------------------------------------------------------


def test_first_visit_shows_the_key(phone):
    """The key is a point of P-256, the same as text and as QR code, and stays the same on the next visit."""
    key = phone.key()
    ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), key)
    (code,) = zxingcpp.read_barcodes(phone.code("#key-code"), formats=QR)
    assert code.text == "EK1:" + base45.encode(key)
    assert not phone.page.locator("#live").is_visible()
    phone.reload()
    assert phone.key() == key


def test_the_private_key_cannot_be_taken_out(phone):
    """The browser refuses to export the private half in every format, and never hands it to the page as data."""
    found = phone.page.evaluate(
        """async () => {
          const { phoneKeys } = await import("./store.js");
          const { privateKey } = await phoneKeys();
          const refused = [];
          for (const format of ["pkcs8", "jwk", "raw", "spki"])
            await crypto.subtle.exportKey(format, privateKey).catch((error) => refused.push(error.name));
          return { extractable: privateKey.extractable, type: privateKey.type, usages: privateKey.usages, refused };
        }"""
    )
    assert (found["extractable"], found["type"], found["usages"]) == (False, "private", ["sign"])
    assert len(found["refused"]) == 4


def test_two_tabs_share_one_key(phone):
    """Of two tabs that find no key at the same time, the one that is later takes the key of the other."""
    keys = phone.page.evaluate(
        """async () => {
          const { phoneKeys } = await import("./store.js");
          const { compressed, hex } = await import("./live.js");
          await new Promise((done) => { indexedDB.deleteDatabase("gate-pass").onsuccess = done; });
          const make = crypto.subtle.generateKey.bind(crypto.subtle);
          let calls = 0, letGo;
          const held = new Promise((done) => { letGo = done; });
          crypto.subtle.generateKey = async (...how) => { if ((calls += 1) === 1) await held; return make(...how); };
          const both = [phoneKeys(), phoneKeys()];
          const first = await Promise.race(both);
          letGo();
          const pairs = [first, ...(await Promise.all(both))];
          return [calls, ...(await Promise.all(pairs.map(async (pair) => hex(await compressed(pair)))))];
        }"""
    )
    assert keys[0] == 2
    assert len(set(keys[1:])) == 1


# --- the live code ---------------------------------------------------------------------------------------------------


def test_the_camera_reads_and_verifies_the_code(holder):
    """A picture of the screen is read by the station's reader; pass, phone and time are right, and nothing else."""
    seen = holder.shown()
    assert seen.live == Live(NOW)
    assert (seen.cti, seen.phone_key, seen.status_index) == (TYPICAL.cti, holder.key(), TYPICAL.status_index)


def test_the_code_is_small_and_alone_on_white(holder):
    """At most version 12, level M, whole pixels, a quiet zone of four modules, pure black on pure white."""
    picture = holder.code()
    version, quiet = measured(picture)
    assert version == 12
    assert quiet >= 4
    assert set(picture.ravel().tolist()) == {0, 255}
    (code,) = zxingcpp.read_barcodes(picture, formats=QR)
    assert code.ec_level == "M"


def test_modules_are_whole_dots_on_every_screen(chromium, server, tmp_path):
    """Where a CSS pixel is 2.625 dots, as on many phones, every module still has the same whole number of dots."""
    arguments = [*ARGUMENTS, "--force-device-scale-factor=2.625", "--window-size=500,900"]
    browser = chromium.browser_type.launch(executable_path=str(CHROMIUM), args=arguments)
    page = browser.new_context(no_viewport=True).new_page()
    page.goto(server.url)
    page.wait_for_selector("#key-code", state="visible")
    page.screenshot(path=str(tmp_path / "screen.png"))
    assert page.evaluate("devicePixelRatio") == 2.625
    browser.close()
    screen = load_gray(tmp_path / "screen.png", "test")
    (code,) = zxingcpp.read_barcodes(screen, formats=QR)
    near, far = code.position.top_left, code.position.bottom_right
    picture = screen[near.y - 9 : far.y + 9, near.x - 9 : far.x + 9]
    assert measured(picture)[0] == 3
    assert set(picture.ravel().tolist()) == {0, 255}


def test_a_new_code_every_ten_seconds(holder):
    """After 9 s the code is the old one, after 10 s another that says the new time; a clock set back renews it too."""
    first = holder.text()
    holder.at(NOW + 9)
    holder.page.wait_for_selector("#clock:has-text('23:06:49')")
    assert holder.text() == first
    holder.at(NOW + 10)
    holder.drawn(NOW + 10)
    assert holder.text() != first
    assert holder.shown().live == Live(NOW + 10)
    holder.at(NOW - 3600)
    holder.drawn(NOW - 3600)


def test_every_signature_has_its_low_half(holder):
    """Sixty-four presentations are all accepted; the station refuses the half of them that a phone leaves high."""
    texts = holder.page.evaluate(
        """async ([pass, t]) => {
          const { readPass } = await import("./ep1.js");
          const { liveText } = await import("./live.js");
          const { phoneKeys } = await import("./store.js");
          const { privateKey } = await phoneKeys(), { bytes } = readPass(pass);
          return Promise.all(Array.from({ length: 64 }, (_, number) => liveText(privateKey, bytes, t + number, null)));
        }""",
        [pass_text(phone_key=holder.key()), NOW],
    )
    verdicts = [parse(text, TRUST) for text in texts]
    assert [v.live for v in verdicts if isinstance(v, Credential)] == [Live(NOW + number) for number in range(64)]


def test_the_gates_number_by_link(holder):
    """Opened by the gate's QR code the phone answers its number for a minute, then shows the plain code again."""
    holder.open(f"#n={NONCE.hex()}")
    holder.drawn(NOW, NONCE)
    assert holder.shown().live == Live(NOW, NONCE)
    assert measured(holder.code())[0] == 13
    said = holder.words("#answer")
    assert "3f2a 91c0 77de 0b14，还有 60 秒" in said
    assert "Answering the gate's number 3f2a 91c0 77de 0b14, 60 s left" in said
    holder.at(NOW + 50)
    holder.drawn(NOW + 50, NONCE)
    assert holder.shown().live == Live(NOW + 50, NONCE)
    holder.at(NOW + 60)
    holder.drawn(NOW + 60)
    assert holder.shown().live == Live(NOW + 60)
    assert not holder.page.locator("#answer").is_visible()


@pytest.mark.parametrize(
    "typed",
    ["3f2a 91c0 77de 0b14", "3F2A91C077DEOBI4", " 3f2a-91c0-77de-0b14\n", "https://x.example/#n=3f2a91c077de0b14"],
)
def test_the_gates_number_typed(holder, typed):
    """The number is taken as people type or paste it: groups, capitals, O for 0, I for 1, the whole address."""
    holder.page.fill("#number", typed)
    holder.page.click("#gate button")
    holder.drawn(NOW, NONCE)
    assert holder.shown().live == Live(NOW, NONCE)


@pytest.mark.parametrize("typed", ["3f2a 91c0 77de", "3f2a 91c0 77de 0b14 5", "3f2a 91c0 77de 0bx4"])
def test_a_mistyped_number_is_told(holder, typed):
    """A number that is too short, too long or no number changes nothing and is told in both languages."""
    holder.page.fill("#number", typed)
    holder.page.click("#gate button")
    said = holder.words("#gate-problem")
    holder.page.evaluate("window.scrollTo(0, 0)")
    assert "应为 16 位" in said
    assert "It must be 16 digits" in said
    assert holder.shown().live == Live(NOW)


def test_the_gates_number_without_a_pass(phone):
    """A phone without a pass says so instead of answering."""
    phone.open(f"#n={NONCE.hex()}")
    said = phone.words("#problem")
    assert "还没有通行证" in said
    assert "no pass here yet" in said
    assert not phone.page.locator("#live").is_visible()
