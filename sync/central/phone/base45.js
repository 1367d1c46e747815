// Base45 (RFC 9285), strict, as station/core/base45.py: one text for each byte string.
const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:";

// Bytes (Uint8Array) to text.
export function encode(bytes) {
  let text = "";
  for (let start = 0; start < bytes.length; start += 2) {
    const pair = start + 1 < bytes.length;
    let value = pair ? bytes[start] * 256 + bytes[start + 1] : bytes[start];
    for (let digit = 0; digit < (pair ? 3 : 2); digit += 1) {
      text += ALPHABET[value % 45];
      value = Math.floor(value / 45);
    }
  }
  return text;
}

// Text to bytes (Uint8Array). Throws RangeError for anything that `encode` does not make.
export function decode(text) {
  if (text.length % 3 === 1) throw new RangeError("one character is left over");
  const digits = Array.from(text, (character) => ALPHABET.indexOf(character));
  if (digits.includes(-1)) throw new RangeError("not a Base45 character");
  const bytes = [];
  for (let start = 0; start < digits.length; start += 3) {
    const [low, middle, high = 0] = digits.slice(start, start + 3);
    const value = low + 45 * middle + 2025 * high;
    const pair = start + 2 < digits.length;
    if (value > (pair ? 0xffff : 0xff)) throw new RangeError(`the group at ${start} is too large`);
    if (pair) bytes.push(value >> 8);
    bytes.push(value & 0xff);
  }
  return Uint8Array.from(bytes);
}
