// The phone page: shows this phone's key to the office, takes the pass, presents it live.
import { CodeCanvas } from "./drawing.js";
import { PassError, readPass } from "./ep1.js";
import { LiveCode } from "./livecode.js";
import { compressed, hex, keyText, readNonce } from "./live.js";
import { keepPass, keptPass, phoneKeys } from "./store.js";
import { PROBLEMS, SAID, both, moment } from "./words.js";

const TICK_MS = 200, DAY_S = 86_400;
const SOON_S = 3 * DAY_S, SOON_PART = 0.2; // "expires soon": less than three days and less than a fifth of the validity

const $ = (id) => document.getElementById(id);
const live = new LiveCode({ canvas: $("code"), ring: $("ring"), clock: $("clock"), answer: $("answer") }, stop);
let keys, publicKey, pass = null, awake = null;

function say(element, words) {
  element.replaceChildren(...(words ? both(words) : []));
  element.hidden = !words;
}
function stop(error) {
  console.error(error);
  say($("stop"), PROBLEMS.failed);
}

// --- the pass ---
function ours(pasted) {
  const read = readPass(pasted);
  if (hex(read.phoneKey) !== hex(publicKey)) throw new PassError(PROBLEMS.otherPhone);
  return read;
}
// Do `work` with a pass; where the pass cannot be used, say why.
async function attempt(work) {
  const problem = $("problem");
  say(problem, null);
  say($("said"), null);
  try { await work(); } catch (error) {
    if (!(error instanceof PassError)) { stop(error); return; }
    say(problem, error.words);
    $("bring").open = true;
    $("key").open ||= error.words === PROBLEMS.otherPhone;
    problem.scrollIntoView({ block: "nearest" });
  }
}
async function take(taken) {
  await keepPass(taken.text);
  await present(taken);
  $("text").value = "";
  $("bring").open = $("key").open = false;
  say($("said"), SAID.stored);
  toTheCode();
}
const toTheCode = () => window.scrollTo(0, 0);
async function present(taken) {
  pass = taken;
  $("live").hidden = $("gate").hidden = false;
  say($("validity"), SAID.validity(moment(pass.notBefore), moment(pass.expires)));
  warn();
  keepAwake();
  await live.show(pass, keys.privateKey);
}
function warning(now) {
  if (now < pass.notBefore) return SAID.early(moment(pass.notBefore));
  if (now >= pass.expires) return SAID.expired(moment(pass.expires));
  const left = pass.expires - now;
  return left < SOON_S && left < SOON_PART * (pass.expires - pass.notBefore) ? SAID.soon(moment(pass.expires)) : null;
}
let warned = null;
function warn() {
  const words = pass && warning(Date.now() / 1000);
  if (words?.[1] === warned?.[1]) return; // equal content set anew would be read aloud again
  warned = words;
  say($("warning"), words);
}

// --- links: #p= brings a pass, #n= the gate's number ---
async function followLink() {
  const link = location.hash;
  // The pass is a secret of a kind: it does not stay in the address bar and the history.
  if (link) history.replaceState(null, "", location.pathname);
  if (link.startsWith("#p=")) await attempt(() => takeLinked(link));
  if (link.startsWith("#n=")) await answer(link);
}
async function takeLinked(link) {
  const linked = ours(link);
  if (!pass || pass.text === linked.text) { await take(linked); return; }
  // Whoever knows the phone's key can make a link; only the gate sees whether the office signed it.
  say($("replace-words"), SAID.replace(moment(pass.expires), moment(linked.expires)));
  $("replace-do").onclick = () => { $("replace").hidden = true; attempt(() => take(linked)); };
  $("replace").hidden = false;
  $("replace").scrollIntoView({ block: "nearest" });
}
async function answer(typed) {
  const nonce = readNonce(typed);
  if (!pass) { say($("problem"), PROBLEMS.noPassYet); $("bring").open = true; return; }
  say($("gate-problem"), nonce ? null : PROBLEMS.nonce);
  if (!nonce) return;
  $("number").value = "";
  await live.answer(nonce);
  toTheCode();
}

// --- the phone ---
async function keepAwake() {
  if (!pass || document.hidden || (awake && !awake.released)) return;
  // Phones without it, or low on power, dim the screen as they are set.
  try { awake = await navigator.wakeLock?.request("screen"); } catch { awake = null; }
}
function showKey() {
  $("key-text").textContent = hex(publicKey);
  new CodeCanvas($("key-code")).show(keyText(publicKey));
}
async function copyKey() {
  try {
    await navigator.clipboard.writeText($("key-text").textContent);
    say($("key-said"), SAID.copied);
  } catch { say($("key-said"), SAID.notCopied); }
}
function wire() {
  $("bring-form").addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(() => take(ours($("text").value)));
  });
  $("gate").addEventListener("submit", (event) => { event.preventDefault(); answer($("number").value).catch(stop); });
  $("replace-not").addEventListener("click", () => { $("replace").hidden = true; $("bring").open = false; toTheCode(); });
  $("key-copy").addEventListener("click", copyKey);
  window.addEventListener("hashchange", () => followLink().catch(stop));
  // A code that stood while the phone slept is old: a new one comes before anybody can show it.
  const shown = () => { if (!document.hidden) { live.renew(); keepAwake(); } };
  document.addEventListener("visibilitychange", shown);
  window.addEventListener("pageshow", shown);
  setInterval(() => { live.tick(); warn(); }, TICK_MS);
}

async function begin() {
  if (!window.isSecureContext || !window.crypto?.subtle || !window.indexedDB) { say($("stop"), PROBLEMS.browser); return; }
  // The page works without it, but only with a network.
  navigator.serviceWorker?.register("./sw.js").catch((error) => console.warn("no offline use:", error));
  try {
    keys = await phoneKeys();
    publicKey = await compressed(keys);
  } catch (error) {
    console.error(error);
    say($("stop"), PROBLEMS.browser);
    return;
  }
  $("stop").hidden = true;
  showKey();
  $("key").hidden = $("bring").hidden = false;
  const kept = await keptPass();
  if (kept) await attempt(() => present(ours(kept)));
  wire();
  await followLink();
  $("key").open ||= !pass;
  $("bring").open ||= !pass;
}

begin().catch(stop);
