// Asking the server, and telling the guard what became of it.
import { $, message } from "./elements.js";
import { UNANSWERED } from "./words.js";

const PATIENCE_MS = 15000, GOOD_NEWS_MS = 5000, BAD_NEWS_MS = 10000;
let noticeTimer;

export async function post(path, body) {
  try {
    const control = AbortSignal.timeout(PATIENCE_MS);
    const answer = await fetch(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body), signal: control });
    return { status: answer.status, ...(await answer.json()) };
  } catch {
    return { ok: false, status: 0, text: UNANSWERED };
  }
}
export function notify(text, ok = false) {
  $("notice").replaceChildren(...message(text));
  $("notice").className = ok ? "notice" : "notice bad";
  $("notice").hidden = false;
  clearTimeout(noticeTimer);
  noticeTimer = setTimeout(() => { $("notice").hidden = true; }, ok ? GOOD_NEWS_MS : BAD_NEWS_MS);
}
export function problem(dialog, text) { dialog.querySelector(".problem").replaceChildren(...(text ? message(text) : [])); }
export function open(dialog) { problem(dialog, null); if (!dialog.open) dialog.showModal(); }
// One question at a time: the button stays off until the answer is there.
export async function submitting(dialog, work) {
  const button = dialog.querySelector("[type=submit]");
  if (button.disabled) return;
  button.disabled = true;
  try { await work(); } finally { button.disabled = false; }
}
