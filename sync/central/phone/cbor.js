// The part of deterministic CBOR (RFC 8949, section 4.2) that passes are made of.
//   integer <-> number (53 bits)   byte string <-> Uint8Array   text <-> string   array <-> Array
//   map -> Map   tag -> Tagged   true, false, null: read only
const UNSIGNED = 0, NEGATIVE = 1, BYTES = 2, TEXT = 3, ARRAY = 4, MAP = 5, TAG = 6, SIMPLE = 7;
const SIMPLE_VALUES = new Map([[20, false], [21, true], [22, null]]);
const DEEPEST = 16;

// A value with its tag number.
export class Tagged {
  constructor(tag, value) { Object.assign(this, { tag, value }); }
}

function head(major, number) {
  const first = major << 5;
  if (number < 24) return [first | number];
  const [code, length] = number < 0x100 ? [24, 1] : number < 0x10000 ? [25, 2] : number < 0x100000000 ? [26, 4] : [27, 8];
  const bytes = [first | code];
  for (let place = length - 1; place >= 0; place -= 1) bytes.push(Math.floor(number / 2 ** (8 * place)) % 256);
  return bytes;
}

function pieces(value) {
  if (value instanceof Uint8Array) return [...head(BYTES, value.length), ...value];
  if (Array.isArray(value)) return [...head(ARRAY, value.length), ...value.flatMap(pieces)];
  if (typeof value === "string") {
    const bytes = new TextEncoder().encode(value);
    return [...head(TEXT, bytes.length), ...bytes];
  }
  if (Number.isSafeInteger(value)) return value < 0 ? head(NEGATIVE, -1 - value) : head(UNSIGNED, value);
  throw new TypeError(`cannot encode ${typeof value}`);
}

// Value to bytes.
export function encode(value) { return Uint8Array.from(pieces(value)); }

// Bytes to value. Throws RangeError for longer numbers than needed, indefinite lengths, double keys, bytes that follow.
export function decode(bytes) {
  const reader = new Reader(bytes);
  const value = reader.value(0);
  if (reader.at !== bytes.length) throw new RangeError("bytes follow");
  return value;
}

class Reader {
  constructor(bytes) { Object.assign(this, { bytes, at: 0 }); }

  take(count) {
    if (count > this.bytes.length - this.at) throw new RangeError("it ends too early");
    this.at += count;
    return this.bytes.slice(this.at - count, this.at);
  }

  number(short) {
    if (short < 24) return short;
    if (short > 27) throw new RangeError("an indefinite or reserved length");
    const length = 2 ** (short - 24);
    const number = this.take(length).reduce((sum, byte) => sum * 256 + byte, 0);
    const least = length === 1 ? 24 : 2 ** (4 * length);
    if (number < least || !Number.isSafeInteger(number)) throw new RangeError("a number is not in its shortest form");
    return number;
  }

  value(depth) {
    if (depth > DEEPEST) throw new RangeError("nested too deeply");
    const first = this.take(1)[0];
    const [major, short] = [first >> 5, first & 31];
    if (major === SIMPLE) {
      if (!SIMPLE_VALUES.has(short)) throw new RangeError("a value that passes do not have");
      return SIMPLE_VALUES.get(short);
    }
    const number = this.number(short);
    switch (major) {
      case UNSIGNED: return number;
      case NEGATIVE: return -1 - number;
      case BYTES: return this.take(number);
      case TEXT: return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(this.take(number));
      case ARRAY: return this.array(number, depth);
      case MAP: return this.map(number, depth);
      case TAG: return new Tagged(number, this.value(depth + 1));
    }
  }

  array(count, depth) {
    const items = [];
    while (items.length < count) items.push(this.value(depth + 1));
    return items;
  }

  map(count, depth) {
    const entries = new Map();
    for (let number = 0; number < count; number += 1) {
      const key = this.value(depth + 1);
      if (entries.has(key)) throw new RangeError("a key comes twice");
      entries.set(key, this.value(depth + 1));
    }
    return entries;
  }
}
