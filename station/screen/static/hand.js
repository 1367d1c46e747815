// What a hand thermometer shows: three digits on large keys, the decimal point is set by itself.
import { notify, open, post, problem, submitting } from "./asking.js";
import { $, make } from "./elements.js";
import { HAND_RANGE } from "./words.js";

const dialog = $("hand"), field = $("celsius");
let lane = null, turn = null, digits = "";

export function askHand(id, whose) {
  lane = id;
  turn = whose;
  type("");
  open(dialog);
  $("hand-keys").firstElementChild.focus();
}
export function forgetHand() { dialog.close(); }
function type(value) {
  problem(dialog, null);
  digits = value.replace(/\D/g, "").slice(0, 3);
  field.value = digits.length < 2 ? digits : `${digits.slice(0, 2)}.${digits.slice(2)}`;
}
// `signedOut(text)`: the session ended meanwhile; `done()`: nothing is wished for any more.
export function wireHand({ signedOut, done }) {
  for (const key of ["1", "2", "3", "4", "5", "6", "7", "8", "9", "C", "0", "⏎"]) {
    const button = make("button", { type: key === "⏎" ? "submit" : "button" }, key === "⏎" ? "OK" : key);
    if (key !== "⏎") button.addEventListener("click", () => type(key === "C" ? "" : digits + key));
    $("hand-keys").append(button);
  }
  field.addEventListener("input", () => type(field.value));
  dialog.querySelector("form").addEventListener("submit", (event) => {
    event.preventDefault();
    submitting(dialog, async () => {
      if (digits.length < 3) { problem(dialog, HAND_RANGE); return; }
      const answer = await post(`/lanes/${encodeURIComponent(lane)}/temperature`, { celsius: Number(digits) / 10, turn });
      if (answer.status === 401) { dialog.close(); signedOut(answer.text); return; }
      if (!answer.ok) { problem(dialog, answer.text); return; }
      dialog.close();
      done();
      notify(answer.text, true);
    });
  });
}
