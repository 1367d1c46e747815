// The live code on the screen: signed anew every ten seconds, with the gate's number for a minute where it asked.
import { CodeCanvas } from "./drawing.js";
import { hex, liveText } from "./live.js";
import { SAID, both, clock } from "./words.js";

const REDRAW_MS = 10_000, NONCE_MS = 60_000;
const groups = (bytes) => hex(bytes).match(/.{4}/g).join(" ");

// Draws into `parts`: the elements canvas, ring, clock, answer. `failed` is told what goes wrong.
export class LiveCode {
  #parts; #failed; #pass = null; #privateKey = null; #nonce = null; #askedAt = 0; #drawnAt = -Infinity; #round = 0; #left = null; #drawing;

  constructor(parts, failed) {
    this.#parts = parts;
    this.#failed = failed;
    this.#drawing = new CodeCanvas(parts.canvas);
  }

  // Show this pass from now on (ep1.js), signed by `privateKey`.
  async show(pass, privateKey) {
    [this.#pass, this.#privateKey] = [pass, privateKey];
    await this.renew();
  }

  // Answer the gate's nonce (8 bytes) for a minute.
  async answer(nonce) {
    [this.#nonce, this.#askedAt, this.#left] = [nonce, Date.now(), null];
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
      this.#drawing.show(text);
      Object.assign(this.#parts.canvas.dataset, { t, nonce: nonce ? hex(nonce) : "" });
    } catch (error) { this.#failed(error); }
    this.tick();
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
    const left = Math.ceil((NONCE_MS - asked) / 1000);
    if (this.#nonce && left !== this.#left) this.#parts.answer.replaceChildren(...both(SAID.answering(groups(this.#nonce), left)));
    this.#left = this.#nonce ? left : null;
  }
}
