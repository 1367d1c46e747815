// The live code on the screen: signed anew every ten seconds, with the gate's number for a minute where it asked.
import { drawCode } from "./drawing.js";
import { hex, liveText } from "./live.js";
import { SAID, both, clock } from "./words.js";

const REDRAW_MS = 10_000, NONCE_MS = 60_000;
const LARGEST_SIDE = 560, MOST_OF_HEIGHT = 0.72; // CSS pixels; part of the window's height
const groups = (bytes) => hex(bytes).match(/.{4}/g).join(" ");

// Draws into `parts`: the elements canvas, ring, clock, answer. `failed` is told what goes wrong.
export class LiveCode {
  #parts; #failed; #pass = null; #privateKey = null; #nonce = null; #askedAt = 0; #text = ""; #drawnAt = -Infinity; #round = 0;

  constructor(parts, failed) {
    this.#parts = parts;
    this.#failed = failed;
  }

  // Show this pass from now on (ep1.js), signed by `privateKey`.
  async show(pass, privateKey) {
    [this.#pass, this.#privateKey] = [pass, privateKey];
    await this.renew();
  }

  // Answer the gate's nonce (8 bytes) for a minute.
  async answer(nonce) {
    [this.#nonce, this.#askedAt] = [nonce, Date.now()];
    await this.renew();
  }

  // Sign and draw now. Of calls that overlap the last one wins.
  async renew() {
    if (!this.#pass) return;
    const now = Date.now(), t = Math.floor(now / 1000), nonce = this.#nonce, round = (this.#round += 1);
    this.#drawnAt = now;
    try {
      const text = await liveText(this.#privateKey, this.#pass.bytes, t, nonce);
      if (round !== this.#round) return;
      this.#text = text;
      this.redraw();
      Object.assign(this.#parts.canvas.dataset, { t, nonce: nonce ? hex(nonce) : "" });
    } catch (error) { this.#failed(error); }
    this.tick();
  }

  // Draw what is signed already, for a window of another size.
  redraw() {
    if (!this.#text) return;
    const width = this.#parts.canvas.parentElement.clientWidth;
    drawCode(this.#parts.canvas, this.#text, Math.min(width, LARGEST_SIDE, window.innerHeight * MOST_OF_HEIGHT));
  }

  // Several times a second: the clock, the ring, and whether it is time for a new code. A clock set back counts as time.
  tick() {
    const now = Date.now(), age = now - this.#drawnAt, asked = now - this.#askedAt;
    this.#parts.clock.textContent = clock(now);
    if (!this.#pass || document.hidden) return;
    const answered = this.#nonce && (asked < 0 || asked >= NONCE_MS);
    if (answered) this.#nonce = null;
    if (answered || age < 0 || age >= REDRAW_MS) { this.renew(); return; }
    this.#parts.ring.setAttribute("stroke-dashoffset", String(age / REDRAW_MS));
    this.#parts.answer.hidden = !this.#nonce;
    if (this.#nonce) this.#parts.answer.replaceChildren(...both(SAID.answering(groups(this.#nonce), Math.ceil((NONCE_MS - asked) / 1000))));
  }
}
