// The guard screen. The server sends the whole view; this module draws it and covers it when it may be stale.
import { notify, open, post, problem, submitting } from "./asking.js";
import { $, both, clock, elapsed, fill, make, message, shape } from "./elements.js";
import { askHand, forgetHand, wireHand } from "./hand.js";
import { askVisitor, forgetVisitor, wireVisitor } from "./visitor.js";
import { ACTIONS, CHOOSE, CONDITIONS, DIRECTIONS, DOORS, HAND, LOCAL, NUMBER, OUTCOMES, SIGNALS, SIGNED_OUT, URGENT_DOORS, WORST_FIRST } from "./words.js";

const STALE_MS = 3000;
const state = { source: null, heardAt: -Infinity, connectedAt: 0, offsetMs: 0, operator: null, view: null, spoken: {}, wish: null, leaving: false };

const serverNow = () => Date.now() + state.offsetMs;

// --- drawing ---
function lanePanel(id) {
  const panel = make("section", { class: "lane", "data-lane": id });
  panel.innerHTML = `<header class="lane-head"><strong></strong><span class="tag"></span></header>
    <div class="lane-main"><svg aria-hidden="true"><use></use></svg><div class="words"><h2></h2><p class="next"></p></div><figure class="number"></figure></div>
    <dl class="facts"></dl><div class="actions"></div>`;
  for (const verb of Object.keys(ACTIONS)) {
    const button = make("button", { type: "button", class: verb }, ...both(ACTIONS[verb].label));
    button.addEventListener("click", () => wish(verb, id));
    panel.querySelector(".actions").append(button);
  }
  const hand = make("button", { type: "button", class: "hand" }, ...both(HAND));
  hand.addEventListener("click", () => wish("hand", id));
  panel.querySelector(".actions").prepend(hand);
  return panel;
}
function fact(name, value, urgent = false) {
  return make("div", {}, make("dt", {}, ...both(name)), make("dd", urgent ? { class: "urgent" } : {}, ...[value].flat()));
}
// What phones and guards sign: a code to scan, and the digits in groups for whoever types them.
function number(digits) {
  const groups = digits.match(/.{1,4}/g) ?? [];
  const code = make("img", { src: `/numbers/${digits}.svg`, alt: `数字二维码 QR code of the number ${groups.join(" ")}` });
  return [code, make("figcaption", {}, ...both(NUMBER), make("span", { class: "digits" }, ...groups.flatMap((group) => [make("b", {}, group), " "])))];
}
function drawLane(panel, lane) {
  const signal = SIGNALS[lane.signal] ?? [lane.signal, lane.signal];
  panel.dataset.signal = lane.signal;
  panel.setAttribute("aria-label", `${lane.lane} ${lane.headline.zh} ${lane.headline.en}`);
  fill(panel.querySelector("strong"), lane.lane + lane.direction, () => [`${lane.lane} · `, ...both(DIRECTIONS[lane.direction])]);
  fill(panel.querySelector(".tag"), lane.signal, () => both(signal));
  panel.querySelector("use").setAttribute("href", `#${lane.shape}`);
  fill(panel.querySelector("h2"), JSON.stringify(lane.headline), () => message(lane.headline));
  fill(panel.querySelector(".next"), JSON.stringify(lane.next_step), () => message(lane.next_step));
  panel.querySelector(".next").hidden = !lane.next_step.zh && !lane.next_step.en;
  fill(panel.querySelector(".number"), lane.number, () => lane.number ? number(lane.number) : []);
  panel.querySelector(".number").hidden = !lane.number;
  fill(panel.querySelector(".facts"), JSON.stringify([lane.door, lane.who, lane.rule, lane.local, lane.since_us, state.operator]), () => {
    const rows = [fact(["门", "door"], both(DOORS[lane.door] ?? [lane.door, ""]), URGENT_DOORS.includes(lane.door))];
    if (lane.who || !state.operator) rows.push(fact(["姓名", "name"], lane.who || both(["登录后显示", "after sign-in"])));
    if (lane.rule) rows.push(fact(["规则", "rule"], lane.rule));
    if (lane.local) rows.push(fact(["依据", "basis"], both(LOCAL)));
    if (lane.since_us && lane.signal !== "ready") rows.push(fact(["已", "for"], make("span", { class: "since", "data-us": lane.since_us })));
    return rows;
  });
  panel.querySelector(".dismiss").hidden = !lane.awaiting_guard;
  panel.querySelector(".forgive").hidden = !lane.forgivable;
  panel.querySelector(".hand").hidden = !lane.by_hand;
  speak(lane);
}
// The assertive region reads what changed at a lane, and only that.
function speak(lane) {
  const words = `${lane.lane}: ${lane.headline.zh} ${lane.headline.en}`;
  if (lane.signal !== "ready" && state.spoken[lane.lane] && state.spoken[lane.lane] !== words) $("spoken").textContent = words;
  state.spoken[lane.lane] = words;
}
function drawLanes(lanes) {
  const grid = $("lanes"), ids = lanes.map((lane) => lane.lane).join("\n");
  grid.dataset.count = lanes.length;
  fill(grid, ids, () => lanes.map((lane) => lanePanel(lane.lane)));
  lanes.forEach((lane, index) => drawLane(grid.children[index], lane));
}
function passageRow(passage) {
  const [icon, tone, label] = OUTCOMES[passage.outcome] ?? ["ring", "calm", passage.outcome];
  return make("li", { "data-tone": tone }, shape(icon, label), make("time", {}, clock(passage.wall_us / 1000)),
    make("span", {}, `${passage.lane} `, ...both(DIRECTIONS[passage.direction])), make("span", {}, passage.name || "—"),
    make("span", {}, ...message(passage.text), " ", make("small", {}, passage.rule)));
}
function healthRow({ name, condition, detail, remedy }) {
  const [icon, tone, label] = CONDITIONS[condition] ?? CONDITIONS.fault;
  const row = make("li", { "data-tone": tone }, shape(icon, label), make("span", {}, `${name} · `, ...message(detail)));
  if (remedy) row.append(make("span", { class: "remedy" }, ...message(remedy)));
  return row;
}
function linkRows(view) {
  const waiting = view.unacknowledged;
  return [
    { name: "link", condition: view.linked ? "ok" : "degraded",
      detail: view.linked ? { zh: "已连接中心", en: "connected to the centre" } : { zh: "未连接中心，闸机照常工作", en: "centre not reached; the gate works on its own" } },
    { name: "queue", condition: "ok",
      detail: waiting ? { zh: `${waiting} 条记录待送，已安全保存`, en: `${waiting} records to send, safely stored` } : { zh: "记录已全部送达", en: "all records delivered" } },
  ];
}
function draw() {
  const view = state.view;
  $("station").textContent = view.station;
  drawLanes(view.lanes);
  fill($("announcement"), JSON.stringify(view.announcement), () => view.announcement ? message(view.announcement) : []);
  $("announcement").hidden = !view.announcement;
  fill($("passages"), JSON.stringify([view.passages, state.operator]), () => view.passages.map(passageRow));
  const health = [...view.health, ...linkRows(view)].sort((a, b) => WORST_FIRST.indexOf(a.condition) - WORST_FIRST.indexOf(b.condition));
  fill($("health"), JSON.stringify(health), () => health.map(healthRow));
  fill($("operator"), state.operator ?? "", () => state.operator ? [...both(["值班", "on duty"]), ` ${state.operator}`] : both(["未登录", "not signed in"]));
  $("visitor-ask").hidden = !state.operator;
  fill($("session"), String(Boolean(state.operator)), () => both(state.operator ? ["退出", "Sign out"] : ["登录", "Sign in"]));
  tick();
}
function tick() {
  $("clock").textContent = clock(serverNow());
  for (const since of document.querySelectorAll(".since")) since.textContent = elapsed(serverNow() - since.dataset.us / 1000);
  const stale = performance.now() - state.heardAt > STALE_MS;
  if (stale !== $("overlay").hidden) return;
  $("overlay").hidden = !stale;
  $("page").inert = stale;
  if (stale) {
    // Dialogs lie above every overlay: what they would operate is out of sight.
    for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
    $("overlay-since").textContent = clock(Date.now());
  }
}

// --- the connection ---
function heard(nowUs) {
  state.heardAt = performance.now();
  state.offsetMs = nowUs / 1000 - Date.now();
}
function connect() {
  state.source?.close();
  state.connectedAt = performance.now();
  const source = state.source = new EventSource("/events");
  source.addEventListener("view", (event) => {
    const { now_us: nowUs, operator, view } = JSON.parse(event.data);
    if (state.operator && !operator && !state.leaving) notify(SIGNED_OUT);
    if (!operator) { forgetVisitor(); forgetHand(); }
    Object.assign(state, { operator, view, leaving: false });
    heard(nowUs);
    draw();
  });
  source.addEventListener("time", (event) => { heard(JSON.parse(event.data).now_us); tick(); });
  source.addEventListener("error", () => {
    if (source !== state.source) return;
    state.heardAt = -Infinity;
    tick();
  });
}
// A refused or half-open connection is not taken up again by the browser.
function reconnect() {
  const now = performance.now(), silent = now - Math.max(state.heardAt, state.connectedAt) > STALE_MS;
  if (state.source.readyState === EventSource.CLOSED || silent) connect();
}

// --- asking ---
// Whose turn it is when a guard begins goes with the request: meanwhile somebody else may have come.
function wish(verb, lane) {
  state.wish = { verb, lane, turn: state.view.lanes.find((one) => one.lane === lane)?.turn };
  if (state.operator) askWish(); else askSignIn();
}
function askWish() {
  const { verb, lane, turn } = state.wish;
  if (verb === "visitor") askVisitor(); else if (verb === "hand") askHand(lane, turn); else askReason();
}
function askSignIn() {
  $("pin").value = "";
  open($("sign-in"));
  $("name").focus();
}
function signedOut(text) {
  state.operator = null;
  askSignIn();
  problem($("sign-in"), text);
}
function askReason() {
  const { verb, lane } = state.wish, { label, reasons } = ACTIONS[verb];
  $("reason-title").replaceChildren(`${lane} · `, ...both(label), " — ", ...both(["原因", "reason"]));
  $("reason-do").replaceChildren(...both(label));
  $("why").value = "";
  $("presets").replaceChildren(...reasons.map((reason) => {
    const button = make("button", { type: "button", "aria-pressed": "false" }, ...both(reason));
    button.addEventListener("click", () => {
      for (const other of $("presets").children) other.setAttribute("aria-pressed", String(other === button));
      $("why").value = reason.join(" / ");
    });
    return button;
  }));
  open($("reason"));
  $("presets").firstElementChild.focus();
}
$("sign-in").querySelector("form").addEventListener("submit", (event) => {
  event.preventDefault();
  submitting($("sign-in"), async () => {
    const answer = await post("/sign-in", { operator: $("name").value.trim(), pin: $("pin").value });
    $("pin").value = "";
    if (!answer.ok) { problem($("sign-in"), answer.text); $("pin").focus(); return; }
    $("sign-in").close();
    state.operator = $("name").value.trim();
    $("name").value = "";
    connect();
    if (state.wish) askWish(); else notify(answer.text, true);
  });
});
$("reason").querySelector("form").addEventListener("submit", (event) => {
  event.preventDefault();
  submitting($("reason"), async () => {
    const { verb, lane, turn } = state.wish, why = $("why").value.trim();
    if (!why) { problem($("reason"), CHOOSE); return; }
    const answer = await post(`/lanes/${encodeURIComponent(lane)}/${verb}`, { why, turn });
    if (answer.status === 401) { $("reason").close(); signedOut(answer.text); return; }
    if (!answer.ok) { problem($("reason"), answer.text); return; }
    $("reason").close();
    state.wish = null;
    notify(answer.text, true);
  });
});
$("visitor-ask").addEventListener("click", () => wish("visitor", null));
wireHand({ signedOut, done: () => { state.wish = null; } });
wireVisitor({ signedOut, station: () => state.view.station });
$("session").addEventListener("click", async () => {
  state.wish = null;
  if (!state.operator) { askSignIn(); return; }
  state.leaving = true;
  const answer = await post("/sign-out", {});
  notify(answer.text, answer.ok);
  connect();
});
for (const dialog of document.querySelectorAll("dialog")) {
  dialog.querySelector(".cancel").addEventListener("click", () => { state.wish = null; dialog.close(); });
  dialog.addEventListener("cancel", () => { state.wish = null; });
}
// Touch screens without a keyboard: the keypad types into the field used last.
let field = $("pin");
for (const input of [$("name"), $("pin")]) input.addEventListener("focus", () => { field = input; });
for (const key of ["1", "2", "3", "4", "5", "6", "7", "8", "9", "C", "0", "⏎"]) {
  const button = make("button", { type: key === "⏎" ? "submit" : "button" }, key === "⏎" ? "OK" : key);
  if (key !== "⏎") button.addEventListener("click", () => { field.value = key === "C" ? "" : field.value + key; });
  $("keypad").append(button);
}

connect();
setInterval(tick, 250);
setInterval(reconnect, 1000);
