// The guard screen. The server sends the whole view; this module draws it and covers it when it may be stale.
const STALE_MS = 3000;
const SIGNALS = {
  "ready": ["就绪", "Ready"], "measuring": ["测温中", "Measuring"], "granted": ["放行", "Granted"],
  "denied": ["不放行", "Refused"], "referred": ["请保安处理", "Guard decides"], "station-fault": ["设备故障", "Station fault"],
  "alarm": ["报警", "Alarm"], "evacuate": ["紧急疏散", "Evacuate"], "out-of-service": ["停用", "Out of service"],
};
const DOORS = {
  "starting": ["等待门磁", "starting"], "locked": ["已锁", "locked"], "unlocked": ["已开锁", "unlocked"], "open": ["门开着", "open"],
  "held-open": ["门未关上！", "held open!"], "forced-open": ["门被强行打开！", "forced open!"],
  "released-by-fire": ["消防释放", "released by fire alarm"],
};
const URGENT_DOORS = ["held-open", "forced-open", "released-by-fire"];
const DIRECTIONS = { in: ["进", "in"], out: ["出", "out"] };
const OUTCOMES = {
  grant: ["arrow", "good", "放行 granted"], deny: ["cross", "bad", "不放行 refused"],
  refer: ["person", "warn", "转保安 referred"], measure: ["hourglass", "calm", "测温 measured"],
};
const CONDITIONS = { ok: ["tick", "good", "正常 ok"], degraded: ["warning", "warn", "降级 degraded"], fault: ["cross", "bad", "故障 fault"] };
const WORST_FIRST = ["fault", "degraded", "ok"];
const ACTIONS = {
  open: { label: ["开门", "Open"], reasons: [
    ["住户，证件已核对", "Resident, papers checked"], ["访客，已登记", "Visitor, registered"],
    ["体温已复核，正常", "Temperature taken again, normal"], ["急救、消防、警察", "Ambulance, fire brigade, police"],
    ["送货、送医，优先通行", "Supplies or patient, with priority"], ["设备故障，人工核对", "Equipment fault, checked by hand"]] },
  dismiss: { label: ["不放行", "Dismiss"], reasons: [
    ["已劝返", "Asked to turn back"], ["已转交网格员", "Handed to the grid worker"], ["已去发热登记", "Sent to fever registration"],
    ["证件不符", "Papers do not match"], ["人已离开", "The person left"], ["误扫", "Scanned by mistake"]] },
};

const $ = (id) => document.getElementById(id);
const state = { source: null, heardAt: -Infinity, connectedAt: 0, offsetMs: 0, operator: null, view: null, spoken: {}, wish: null, leaving: false };

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}
function shape(name, label) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#${name}`);
  svg.append(use);
  if (label) { svg.setAttribute("role", "img"); svg.setAttribute("aria-label", label); } else svg.setAttribute("aria-hidden", "true");
  return svg;
}
const both = ([zh, en]) => [make("span", { class: "zh", lang: "zh-CN" }, zh), " ", make("span", { class: "en", lang: "en" }, en)];
const message = (text) => both([text.zh ?? "", text.en ?? ""]);
const serverNow = () => Date.now() + state.offsetMs;
const two = (number) => String(number).padStart(2, "0");
const clock = (ms) => { const t = new Date(ms); return `${two(t.getHours())}:${two(t.getMinutes())}:${two(t.getSeconds())}`; };
const elapsed = (ms) => {
  const s = Math.max(0, Math.floor(ms / 1000)), m = Math.floor(s / 60);
  return m < 60 ? `${m}:${two(s % 60)}` : `${Math.floor(m / 60)}:${two(m % 60)}:${two(s % 60)}`;
};
// Replacing equal content would make screen readers repeat it and lose the selection.
function fill(element, key, children) {
  if (element.dataset.key === key) return;
  element.dataset.key = key;
  element.replaceChildren(...children());
}

// --- drawing ---
function lanePanel(id) {
  const panel = make("section", { class: "lane", "data-lane": id });
  panel.innerHTML = `<header class="lane-head"><strong></strong><span class="tag"></span></header>
    <div class="lane-main"><svg aria-hidden="true"><use></use></svg><div class="words"><h2></h2><p class="next"></p></div></div>
    <dl class="facts"></dl><div class="actions"></div>`;
  for (const verb of ["open", "dismiss"]) {
    const button = make("button", { type: "button", class: verb }, ...both(ACTIONS[verb].label));
    button.addEventListener("click", () => wish(verb, id));
    panel.querySelector(".actions").append(button);
  }
  return panel;
}
function fact(name, value, urgent = false) {
  return make("div", {}, make("dt", {}, ...both(name)), make("dd", urgent ? { class: "urgent" } : {}, ...[value].flat()));
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
  fill(panel.querySelector(".facts"), JSON.stringify([lane.door, lane.who, lane.rule, lane.since_us, state.operator]), () => {
    const rows = [fact(["门", "door"], both(DOORS[lane.door] ?? [lane.door, ""]), URGENT_DOORS.includes(lane.door))];
    if (lane.who || !state.operator) rows.push(fact(["姓名", "name"], lane.who || both(["登录后显示", "after sign-in"])));
    if (lane.rule) rows.push(fact(["规则", "rule"], lane.rule));
    if (lane.since_us && lane.signal !== "ready") rows.push(fact(["已", "for"], make("span", { class: "since", "data-us": lane.since_us })));
    return rows;
  });
  panel.querySelector(".dismiss").hidden = !lane.awaiting_guard;
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
  fill($("passages"), JSON.stringify([view.passages, state.operator]), () => view.passages.map(passageRow));
  const health = [...view.health, ...linkRows(view)].sort((a, b) => WORST_FIRST.indexOf(a.condition) - WORST_FIRST.indexOf(b.condition));
  fill($("health"), JSON.stringify(health), () => health.map(healthRow));
  fill($("operator"), state.operator ?? "", () => state.operator ? [...both(["值班", "on duty"]), ` ${state.operator}`] : both(["未登录", "not signed in"]));
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
    if (state.operator && !operator && !state.leaving) notify({ zh: "登录已过期，请重新登录。", en: "Signed out after a quiet time. Sign in again." });
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
async function post(path, body) {
  try {
    const control = AbortSignal.timeout(15000);
    const answer = await fetch(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body), signal: control });
    return { status: answer.status, ...(await answer.json()) };
  } catch {
    return { ok: false, status: 0, text: { zh: "值班屏没有回应，请看门的实际状态。", en: "The screen's server does not answer. Look at the door itself." } };
  }
}
let noticeTimer;
function notify(text, ok = false) {
  $("notice").replaceChildren(...message(text));
  $("notice").className = ok ? "notice" : "notice bad";
  $("notice").hidden = false;
  clearTimeout(noticeTimer);
  noticeTimer = setTimeout(() => { $("notice").hidden = true; }, ok ? 5000 : 10000);
}
function problem(dialog, text) { dialog.querySelector(".problem").replaceChildren(...(text ? message(text) : [])); }
function open(dialog) { problem(dialog, null); if (!dialog.open) dialog.showModal(); }

function wish(verb, lane) {
  state.wish = { verb, lane };
  if (state.operator) askReason(); else askSignIn();
}
function askSignIn() {
  $("pin").value = "";
  open($("sign-in"));
  $("name").focus();
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
async function submitting(dialog, work) {
  const button = dialog.querySelector("[type=submit]");
  if (button.disabled) return;
  button.disabled = true;
  try { await work(); } finally { button.disabled = false; }
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
    if (state.wish) askReason(); else notify(answer.text, true);
  });
});
$("reason").querySelector("form").addEventListener("submit", (event) => {
  event.preventDefault();
  submitting($("reason"), async () => {
    const { verb, lane } = state.wish, why = $("why").value.trim();
    if (!why) { problem($("reason"), { zh: "请选择或填写原因。", en: "Choose or write a reason." }); return; }
    const answer = await post(`/lanes/${encodeURIComponent(lane)}/${verb}`, { why });
    if (answer.status === 401) { $("reason").close(); state.operator = null; askSignIn(); problem($("sign-in"), answer.text); return; }
    if (!answer.ok) { problem($("reason"), answer.text); return; }
    $("reason").close();
    state.wish = null;
    notify(answer.text, true);
  });
});
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
