// The live presentation EL1: the pass together with what this phone signs now (the reader is station/core/live.py).
import * as base45 from "./base45.js";
import * as cbor from "./cbor.js";

const PREFIX = "EL1:", KEY_PREFIX = "EK1:", LABEL = "EPL1";
const ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n; // of P-256 (SEC 2, 2.4.2)
const HALF = 32;

export const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
export const unhex = (text) => Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));

// The public key of a CryptoKeyPair, compressed (SEC 1, 2.3.3): 33 bytes.
export async function compressed(keys) {
  const raw = new Uint8Array(await crypto.subtle.exportKey("raw", keys.publicKey)); // 04, x, y
  return Uint8Array.from([2 + (raw[64] & 1), ...raw.slice(1, 33)]);
}

// The text of the QR code that tells the office this phone's key.
export const keyText = (publicKey) => KEY_PREFIX + base45.encode(publicKey);

// r and s with the low one of the two values of s that verify: each presentation has one text.
export function lowS(signature) {
  const s = BigInt(`0x${hex(signature.slice(HALF))}`);
  if (s <= ORDER / 2n) return signature;
  const low = unhex((ORDER - s).toString(16).padStart(2 * HALF, "0"));
  return Uint8Array.from([...signature.slice(0, HALF), ...low]);
}

// What the phone signs. `t`: Unix seconds; `nonce`: 8 bytes the gate shows, or null.
export async function covered(passBytes, t, nonce) {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", passBytes));
  return cbor.encode([LABEL, digest, t, ...(nonce ? [nonce] : [])]);
}

// The text of the live code.
export async function liveText(privateKey, passBytes, t, nonce) {
  const message = await covered(passBytes, t, nonce);
  const algorithm = { name: "ECDSA", hash: "SHA-256" };
  const signature = lowS(new Uint8Array(await crypto.subtle.sign(algorithm, privateKey, message)));
  return PREFIX + base45.encode(cbor.encode([passBytes, t, ...(nonce ? [nonce] : []), signature]));
}

// The gate's number as typed, pasted or linked ("3f2a 91c0 77de 0b14", or an address with #n=) to 8 bytes, or null.
export function readNonce(typed) {
  const start = typed.indexOf("#n=");
  const digits = (start < 0 ? typed : typed.slice(start + 3)).toLowerCase().replace(/[\s-]/g, "").replace(/o/g, "0").replace(/[il]/g, "1");
  return /^[0-9a-f]{16}$/.test(digits) ? unhex(digits) : null;
}
