"""The phone page in a real Chromium: which pass it takes, what it says of others, and that it needs no network."""

from __future__ import annotations

import re

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from station.core import base45
from station.core.model import Live
from sync.central.phone_page import write_page
from tests.browser import needs_chromium
from tests.core.issuing import DAY_S, NOW, TYPICAL, pass_text

from .device import PhoneServer, link

NONCE = bytes.fromhex("3f2a91c077de0b14")
STRANGE_KEY = (
    ec.derive_private_key(7, ec.SECP256R1()).public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
)
STRANGE = pass_text(phone_key=STRANGE_KEY)

pytestmark = [pytest.mark.browser, needs_chromium]


# --- taking a pass ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "broken", [str, lambda text: f"\n {text[:40]}\n{text[40:]}\n", lambda text: f"https://x.example/{link(text)}"]
)
def test_a_pasted_pass_is_taken(phone, broken):
    """A pass is taken as text, as text a messenger has broken, and as a link; it is there on the next visit."""
    phone.paste(broken(pass_text(phone_key=phone.key())))
    phone.drawn(NOW)
    assert phone.shown().cti == TYPICAL.cti
    phone.reload()
    phone.drawn(NOW)
    assert phone.shown().cti == TYPICAL.cti


def test_a_link_leaves_no_pass_in_the_history(holder):
    """The pass is not kept in the address bar once it is stored."""
    assert holder.page.evaluate("location.href") == holder.url
    assert "已存入" in holder.words("#said")
    assert "stored" in holder.words("#said")


@pytest.mark.parametrize(
    ("text", "zh", "en"),
    [
        (STRANGE, "属于另一部手机", "belongs to another phone"),
        (pass_text(), "没有绑定手机", "not bound to a phone"),
        (STRANGE[:-3], "不完整", "incomplete or damaged"),
        (STRANGE[:60] + "a" + STRANGE[61:], "不完整", "incomplete or damaged"),
        ("EP1:" + base45.encode(cbor2.dumps([1, 2, 3])), "不完整", "incomplete or damaged"),
        ("https://pay.example/1", "不是通行证", "This is no pass"),
    ],
    ids=["other-phone", "paper", "cut", "wrong-letter", "not-cose", "no-pass"],
)
def test_what_is_no_pass_of_this_phone_is_told(phone, text, zh, en):
    """Each kind of wrong text is refused in both languages, by hand and by link, and nothing is stored."""
    phone.paste(text)
    said = phone.words("#problem")
    assert zh in said
    assert en in said
    phone.open(link(text))
    assert en in phone.words("#problem")
    phone.reload()
    assert not phone.page.locator("#live").is_visible()


def test_a_link_does_not_replace_a_pass_unasked(holder):
    """Anybody may send a link: the pass on the phone stays until its owner agrees to the other."""
    other = pass_text(phone_key=holder.key(), cti=b"\1" * 8, expires=NOW + 60 * DAY_S)
    holder.open(link(other))
    said = holder.words("#replace-words")
    assert "换成链接里的这张" in said
    assert "Replace it by the one of the link" in said
    holder.page.click("#replace-not")
    assert holder.shown().cti == TYPICAL.cti
    holder.open(link(other))
    holder.page.click("#replace-do")
    holder.page.wait_for_selector("#validity:has-text('2025-08-14')")
    assert holder.shown().cti == b"\1" * 8


@pytest.mark.parametrize(
    ("seconds", "zh", "en"),
    [
        (TYPICAL.not_before - 60, "手机时间不对", "the phone's clock is wrong"),
        (TYPICAL.expires - 2 * DAY_S, "请及时换新", "Ask for a new one in time"),
        (TYPICAL.expires, "已于", "The pass expired on"),
    ],
    ids=["before", "soon", "expired"],
)
def test_time_is_watched(holder, seconds, zh, en):
    """Before, near and after the end of validity the page warns in both languages, and still shows the code."""
    assert not holder.page.locator("#warning").is_visible()
    holder.at(seconds)
    holder.drawn(seconds)
    said = holder.words("#warning")
    assert zh in said
    assert en in said
    assert holder.shown().live == Live(seconds)


# --- without a network, on any phone ---------------------------------------------------------------------------------


def test_it_works_offline_after_the_first_load(new_phone):
    """With the network off and the server gone the page opens again, signs anew, and answers the gate's link."""
    server = PhoneServer()
    phone = new_phone(server.url)
    phone.open()
    phone.open(link(pass_text(phone_key=phone.key())))
    phone.page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    phone.context.set_offline(True)
    server.stop()
    phone.reload()
    phone.at(NOW + 20)
    phone.drawn(NOW + 20)
    assert phone.shown().live == Live(NOW + 20)
    phone.new_tab()
    phone.open(f"index.html#n={NONCE.hex()}")
    phone.drawn(NOW, NONCE)
    assert phone.shown().live == Live(NOW, NONCE)


def test_any_web_server_can_serve_it(new_phone, tmp_path):
    """Written into a folder below another site's, and served without any of our headers, it works and works offline."""
    write_page(tmp_path / "site" / "gate" / "pass")
    server = PhoneServer(tmp_path / "site")
    phone = new_phone(f"{server.url}gate/pass/")
    phone.open()
    phone.open(link(pass_text(phone_key=phone.key())))
    phone.page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    server.stop()
    phone.reload()
    phone.drawn(NOW)
    assert phone.shown().live == Live(NOW)


def test_everything_is_said_in_both_languages(phone):
    """Every message has Chinese and English words, and so has every part of the page itself."""
    pairs, parts = phone.page.evaluate(
        """async () => {
          const { PROBLEMS, SAID } = await import("./words.js");
          const said = [...Object.values(PROBLEMS), ...Object.values(SAID)];
          const parts = [...document.querySelectorAll(".zh")];
          return [
            said.map((one) => typeof one === "function" ? one(1, 2) : one),
            parts.map((zh) => [zh.textContent, zh.nextElementSibling.textContent]),
          ];
        }"""
    )
    assert len(pairs) >= 15
    assert len(parts) >= 15
    for zh, en in (*pairs, *parts):
        assert re.search(r"[\u4e00-\u9fff]", zh), zh
        assert re.search(r"[A-Za-z]{3}", en), en
        assert not re.search(r"[\u4e00-\u9fff]", en), en


def test_an_unprotected_address_is_told(new_phone, server):
    """Over plain http to another machine no browser keeps a key; the page says so and names the printed card."""
    phone = new_phone(f"http://phone.example:{server.port}/")
    phone.page.goto(phone.url)
    phone.page.wait_for_selector("#stop:has-text('https')")
    said = phone.words("#stop")
    assert "打印卡" in said
    assert "printed card" in said
    assert not phone.page.locator("main details").first.is_visible()


def test_the_code_is_in_sight_at_once(holder):
    """On a small phone the whole code is visible without scrolling, and nothing is wider than the screen."""
    box = holder.page.locator("#code").bounding_box()
    assert box["y"] >= 0
    assert box["y"] + box["height"] <= 640
    assert box["width"] >= 300
    assert holder.page.evaluate("document.documentElement.scrollWidth") == 360
