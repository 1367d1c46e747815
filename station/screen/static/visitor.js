// Passes for visitors: the guard asks for one, the visitor photographs it or takes the print along.
import { open, post, problem, submitting } from "./asking.js";
import { $, both, make, two } from "./elements.js";
import { VISITOR } from "./words.js";

const USUAL_HOURS = ["2", "4", "8", "24"];
const form = $("visitor"), slip = $("visitor-pass");

export function askVisitor() {
  $("visitor-name").value = "";
  choose(USUAL_HOURS[1]);
  open(form);
  $("visitor-name").focus();
}
// Nothing of a pass stays behind on a screen that everybody walks by.
export function forgetVisitor() {
  form.close();
  slip.close();
}
function choose(hours) {
  $("visitor-hours").value = hours;
  for (const button of $("usual-hours").children) button.setAttribute("aria-pressed", String(button.value === hours));
}
function moment(seconds) {
  const t = new Date(seconds * 1000);
  return `${t.getFullYear()}-${two(t.getMonth() + 1)}-${two(t.getDate())} ${two(t.getHours())}:${two(t.getMinutes())}`;
}
function row(name, value) { return make("div", {}, make("dt", {}, ...both(name)), make("dd", {}, value)); }
function show(issued, station) {
  const code = new DOMParser().parseFromString(issued.code, "image/svg+xml").documentElement;
  code.setAttribute("role", "img");
  code.setAttribute("aria-label", "访客通行证二维码 QR code of the visitor's pass");
  $("visitor-code").replaceChildren(document.adoptNode(code));
  const rows = [row(VISITOR.valid, moment(issued.expires)), row(VISITOR.gate, station)];
  if (issued.name) rows.push(row(VISITOR.name, issued.name));
  $("visitor-facts").replaceChildren(...rows);
  slip.showModal();
  $("visitor-print").focus();
}
// `signedOut(text)`: the session ended meanwhile; `station()`: what the pass is good for.
export function wireVisitor({ signedOut, station }) {
  for (const hours of USUAL_HOURS) {
    const button = make("button", { type: "button", value: hours, "aria-pressed": "false" }, ...both([`${hours} 小时`, `${hours} h`]));
    button.addEventListener("click", () => choose(hours));
    $("usual-hours").append(button);
  }
  $("visitor-hours").addEventListener("input", (event) => choose(event.target.value));
  form.querySelector("form").addEventListener("submit", (event) => {
    event.preventDefault();
    submitting(form, async () => {
      const answer = await post("/visitors", { name: $("visitor-name").value, hours: Number($("visitor-hours").value) });
      if (answer.status === 401) { form.close(); signedOut(answer.text); return; }
      if (!answer.ok) { problem(form, answer.text); return; }
      if (!form.open) return; // given up meanwhile: what nobody waits for is not shown to whoever comes by
      form.close();
      show(answer.pass, station());
    });
  });
  $("visitor-print").addEventListener("click", () => window.print());
  slip.addEventListener("close", () => { $("visitor-code").replaceChildren(); $("visitor-facts").replaceChildren(); });
}
