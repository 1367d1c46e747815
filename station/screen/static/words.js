// The page's own words, Chinese first; what happens at a lane comes with the view in both languages.
export const SIGNALS = {
  "ready": ["就绪", "Ready"], "measuring": ["测温中", "Measuring"], "escorting": ["等待陪同", "Second pass"], "granted": ["放行", "Granted"],
  "denied": ["不放行", "Refused"], "referred": ["请保安处理", "Guard decides"], "station-fault": ["设备故障", "Station fault"],
  "alarm": ["报警", "Alarm"], "evacuate": ["紧急疏散", "Evacuate"], "out-of-service": ["停用", "Out of service"],
};
export const DOORS = {
  "starting": ["等待门磁", "starting"], "locked": ["已锁", "locked"],
  "unlocking": ["正在开锁", "unlocking"], "unlocked": ["已开锁", "unlocked"], "relocking": ["正在上锁", "locking"],
  "open": ["门开着", "open"], "open-unlocked": ["门开着，可通行", "open, somebody was let in"],
  "propped-open": ["门开得太久", "open for too long"], "held-open": ["门未关上！", "held open!"],
  "forced-open": ["门被强行打开！", "forced open!"], "ajar": ["门未锁住！", "shut, but not latched!"],
  "lock-failed": ["门锁故障！", "the lock does not move!"], "hold-open": ["按时段常开", "held open by schedule"],
  "out-of-service": ["暂停使用", "out of service"], "released-by-fire": ["消防释放", "released by fire alarm"],
};
export const URGENT_DOORS = ["held-open", "forced-open", "ajar", "lock-failed", "released-by-fire"];
export const DIRECTIONS = { in: ["进", "in"], out: ["出", "out"] };
export const OUTCOMES = {
  grant: ["arrow", "good", "放行 granted"], deny: ["cross", "bad", "不放行 refused"],
  refer: ["person", "warn", "转保安 referred"], measure: ["hourglass", "calm", "测温 measured"],
  escort: ["pair", "calm", "等待陪同 second pass"],
};
export const CONDITIONS = { ok: ["tick", "good", "正常 ok"], degraded: ["warning", "warn", "降级 degraded"], fault: ["cross", "bad", "故障 fault"] };
export const WORST_FIRST = ["fault", "degraded", "ok"];
export const ACTIONS = {
  open: { label: ["开门", "Open"], reasons: [
    ["住户，证件已核对", "Resident, papers checked"], ["访客，已登记", "Visitor, registered"],
    ["体温已复核，正常", "Temperature taken again, normal"], ["急救、消防、警察", "Ambulance, fire brigade, police"],
    ["送货、送医，优先通行", "Supplies or patient, with priority"], ["设备故障，人工核对", "Equipment fault, checked by hand"]] },
  dismiss: { label: ["不放行", "Dismiss"], reasons: [
    ["已劝返", "Asked to turn back"], ["已转交网格员", "Handed to the grid worker"], ["已去发热登记", "Sent to fever registration"],
    ["证件不符", "Papers do not match"], ["人已离开", "The person left"], ["误扫", "Scanned by mistake"]] },
  forgive: { label: ["更正", "Forgive"], reasons: [
    ["有一次进出未登记，已核实", "A way in or out was not recorded, checked"], ["门开了但没有通过", "The door opened, but nobody went through"],
    ["就医或急事，已核实", "Doctor or emergency, checked"], ["晚归，已说明原因", "Came back late, with a good reason"]] },
};
export const HAND = ["手测体温", "Hand thermometer"];
export const HAND_RANGE = { zh: "请输入三位数字，如 36.8（35.0 至 42.0）。", en: "Enter three digits, such as 36.8 (35.0 to 42.0)." };
export const LOCAL = ["仅凭本站记录判断", "decided on local knowledge"];
export const NUMBER = ["请签署此数字", "Sign this number"];
export const VISITOR = {
  valid: ["有效期至", "Valid until"], gate: ["仅限本闸口", "Only at this gate"], name: ["姓名", "Name"],
};
export const UNANSWERED = { zh: "值班屏没有回应，请看门的实际状态。", en: "The screen's server does not answer. Look at the door itself." };
export const SIGNED_OUT = { zh: "登录已过期，请重新登录。", en: "Signed out after a quiet time. Sign in again." };
export const CHOOSE = { zh: "请选择或填写原因。", en: "Choose or write a reason." };
