// QR codes on a canvas, for cameras: whole device pixels per module, black on white, quiet zone of four modules.
import { qrcode } from "./qrcode.js";

const LEVEL = "M", QUIET = 4;

// Draw `text` (characters of the alphanumeric mode only) as large as fits into `side` CSS pixels.
export function drawCode(canvas, text, side) {
  const symbol = qrcode(0, LEVEL); // 0: the smallest version that holds the text
  symbol.addData(text, "Alphanumeric");
  symbol.make();
  const count = symbol.getModuleCount(), total = count + 2 * QUIET, ratio = window.devicePixelRatio || 1;
  const scale = Math.max(1, Math.floor((side * ratio) / total));
  canvas.width = canvas.height = total * scale;
  canvas.style.width = canvas.style.height = `${(total * scale) / ratio}px`;
  const context = canvas.getContext("2d", { alpha: false });
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.fillStyle = "#000";
  for (let row = 0; row < count; row += 1) {
    for (let column = 0; column < count; column += 1) {
      if (symbol.isDark(row, column)) context.fillRect((QUIET + column) * scale, (QUIET + row) * scale, scale, scale);
    }
  }
}
