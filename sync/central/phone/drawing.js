// QR codes on a canvas, for cameras: whole dots of the screen per module, black on white, quiet zone of four modules.
import { qrcode } from "./qrcode.js";

const LEVEL = "M", QUIET = 4;
const AUTOMATIC = 0; // the smallest version that holds the text

// CSS pixels as dots of the screen. What the browser says exactly is believed where it can be true: Safari says nothing,
// and a browser that plays another screen speaks of its own.
function dots(length, exact) {
  const about = length * (window.devicePixelRatio || 1);
  return Math.abs(exact - about) <= 1 ? exact : Math.round(about);
}

// Keeps the code of a text on a canvas, as large as the canvas is laid out.
export class CodeCanvas {
  #canvas; #symbol = null; #width = 0; #height = 0;

  constructor(canvas) {
    this.#canvas = canvas;
    const observer = new ResizeObserver(([entry]) => this.#laidOut(entry));
    // The dots that the canvas really covers: a canvas of another size would be stretched, and some modules with it.
    try { observer.observe(canvas, { box: "device-pixel-content-box" }); } catch { observer.observe(canvas); }
  }

  // Show `text` (characters of the alphanumeric mode only).
  show(text) {
    this.#symbol = qrcode(AUTOMATIC, LEVEL);
    this.#symbol.addData(text, "Alphanumeric");
    this.#symbol.make();
    this.#draw();
  }

  #laidOut({ devicePixelContentBoxSize: exact, contentRect }) {
    this.#width = dots(contentRect.width, exact?.[0].inlineSize);
    this.#height = dots(contentRect.height, exact?.[0].blockSize);
    this.#draw();
  }

  #draw() {
    if (!this.#symbol || !this.#width || !this.#height) return;
    const [canvas, count] = [this.#canvas, this.#symbol.getModuleCount()];
    Object.assign(canvas, { width: this.#width, height: this.#height });
    const scale = Math.max(1, Math.floor(Math.min(canvas.width, canvas.height) / (count + 2 * QUIET)));
    const left = Math.floor((canvas.width - count * scale) / 2), top = Math.floor((canvas.height - count * scale) / 2);
    const context = canvas.getContext("2d", { alpha: false });
    context.fillStyle = "#fff";
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.fillStyle = "#000";
    for (let row = 0; row < count; row += 1) {
      for (let column = 0; column < count; column += 1) {
        if (this.#symbol.isDark(row, column)) context.fillRect(left + column * scale, top + row * scale, scale, scale);
      }
    }
  }
}
