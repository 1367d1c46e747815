// Reads what the phone must know of a pass (docs/reference/pass-format.md). The issuer's signature is the gate's business:
// a phone does not hold the list of issuers.
import * as base45 from "./base45.js";
import * as cbor from "./cbor.js";
import { PROBLEMS } from "./words.js";

const PREFIX = "EP1:";
const SIGN1_TAG = 18, EXP = 4, NBF = 5, CNF = 8;
const KTY = 1, EC2 = 2, CRV = -1, P256 = 1, X = -2, Y = -3;

// Why a text cannot be used as this phone's pass. `words`: [Chinese, English].
export class PassError extends Error {
  constructor(words) {
    super(words[1]);
    this.words = words;
  }
}

// What people paste (the text, or the link with #p= before it) as the text of a pass. Messengers break long lines; the
// last character of Base45 is never a space, so spaces at the ends are not part of it.
export function tidied(pasted) {
  const text = pasted.replace(/[\r\n\t]/g, "").replace(/\u00a0/g, " ").trim();
  const start = text.indexOf("#p=");
  return start < 0 ? text : decodeURIComponent(text.slice(start + 3));
}

// Text of a pass to {text, bytes, notBefore, expires, phoneKey}: the bytes of the COSE_Sign1, Unix seconds, and the
// compressed P-256 key of the phone it is bound to (33 bytes). Throws PassError.
export function readPass(pasted) {
  let text;
  try { text = tidied(pasted); } catch { throw new PassError(PROBLEMS.damaged); }
  if (!text.startsWith(PREFIX)) throw new PassError(PROBLEMS.noPass);
  let bytes, claims;
  try {
    bytes = base45.decode(text.slice(PREFIX.length));
    claims = claimsOf(cbor.decode(bytes));
  } catch { throw new PassError(PROBLEMS.damaged); }
  if (!claims.has(CNF)) throw new PassError(PROBLEMS.paper);
  const phoneKey = phoneKeyOf(claims.get(CNF));
  const [notBefore, expires] = [claims.get(NBF), claims.get(EXP)];
  if (!phoneKey || !Number.isSafeInteger(notBefore) || !Number.isSafeInteger(expires)) throw new PassError(PROBLEMS.damaged);
  return { text, bytes, notBefore, expires, phoneKey };
}

function claimsOf(outer) {
  const parts = outer instanceof cbor.Tagged && outer.tag === SIGN1_TAG ? outer.value : null;
  const shaped = Array.isArray(parts) && parts.length === 4 && parts[0] instanceof Uint8Array &&
    parts[1] instanceof Map && parts[1].size === 0 && parts[2] instanceof Uint8Array &&
    parts[3] instanceof Uint8Array && parts[3].length === 64;
  const claims = shaped ? cbor.decode(parts[2]) : null;
  if (!(claims instanceof Map)) throw new RangeError("not a COSE_Sign1 over claims");
  return claims;
}

function phoneKeyOf(cnf) {
  const key = cnf instanceof Map ? cnf.get(1) : null;
  if (!(key instanceof Map) || key.get(KTY) !== EC2 || key.get(CRV) !== P256) return null;
  const [x, odd] = [key.get(X), key.get(Y)];
  if (!(x instanceof Uint8Array) || x.length !== 32 || typeof odd !== "boolean") return null;
  return Uint8Array.from([odd ? 3 : 2, ...x]);
}
