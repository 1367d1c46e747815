// What the page says beyond index.html, each in [Chinese, English].
export const PROBLEMS = {
  noPass: ["这不是通行证。请粘贴以 EP1: 开头的全部文字，或办公室发来的链接。",
    "This is no pass. Paste the whole text that begins with EP1:, or the link from the office."],
  damaged: ["通行证文字不完整或有错，请重新复制，最好用办公室发来的链接。",
    "The text of the pass is incomplete or damaged. Copy it again; the link from the office is safest."],
  paper: ["这张通行证没有绑定手机，请直接出示打印卡或原来的二维码。",
    "This pass is not bound to a phone. Show the printed card or the code you were given."],
  otherPhone: ["这张通行证属于另一部手机（或另一个浏览器）。请把“本机公钥”交给办公室，重新签发。",
    "This pass belongs to another phone (or another browser). Give the office \"Your phone's key\" and ask for a new pass."],
  nonce: ["应为 16 位：数字 0–9 和字母 a–f。请照闸机屏幕重新输入。",
    "It must be 16 digits, 0–9 and a–f. Type it again as the gate shows it."],
  noPassYet: ["这里还没有通行证，不能回答闸机。如果通行证在主屏幕的“通行码”里，请打开它，输入闸机的数字；否则请出示打印卡。",
    "There is no pass here yet, so it cannot answer the gate. If you keep your pass on the home screen, open it there and type the gate's number; if not, show the printed card."],
  browser: ["这个浏览器不能保管密钥。请用 https 地址、手机自带的浏览器打开，不要用无痕模式；或使用打印卡。",
    "This browser cannot keep a key. Open the https address in the phone's own browser, not in private mode; or use the printed card."],
  failed: ["出错了，请重新打开本页；仍不行请使用打印卡。", "Something failed. Open the page again; if that does not help, use the printed card."],
};
export const SAID = {
  stored: ["通行证已存入手机。", "The pass is stored on this phone."],
  copied: ["已复制。", "Copied."],
  notCopied: ["不能自动复制，请长按文字复制。", "It could not be copied. Press long on the text to copy it."],
  early: (from) => [`通行证从 ${from} 起有效。如果已过这个时间，说明手机时间不对：请打开“自动设置时间”。`,
    `The pass is valid from ${from}. If that time has passed, the phone's clock is wrong: let it be set automatically.`],
  expired: (until) => [`通行证已于 ${until} 过期，请向办公室申请新的。如果还没到这个时间，请校准手机时间。`,
    `The pass expired on ${until}. Ask the office for a new one. If that time has not come yet, set the phone's clock.`],
  soon: (until) => [`通行证将于 ${until} 过期，请及时换新。`, `The pass expires on ${until}. Ask for a new one in time.`],
  validity: (from, until) => [`有效期\n${from} – ${until}`, `Valid\n${from} – ${until}`],
  replace: (now, then) => [`手机里已有通行证（到 ${now}）。换成链接里的这张（到 ${then}）吗？`,
    `There is a pass on this phone already (until ${now}). Replace it by the one of the link (until ${then})?`],
  answering: (digits, seconds) => [`正在回答闸机的数字 ${digits}，还有 ${seconds} 秒`, `Answering the gate's number ${digits}, ${seconds} s left`],
};

// A pair as two elements, Chinese first.
export function both([zh, en]) {
  return [["zh", "zh-CN", zh], ["en", "en", en]].map(([name, language, text]) => {
    const span = document.createElement("span");
    Object.assign(span, { className: name, lang: language, textContent: text });
    return span;
  });
}

const two = (number) => String(number).padStart(2, "0");

// Unix seconds in the phone's time zone, as 2025-06-15 08:53.
export function moment(seconds) {
  const at = new Date(seconds * 1000);
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${two(at.getHours())}:${two(at.getMinutes())}`;
}

// Milliseconds in the phone's time zone, as 08:53:20.
export function clock(ms) {
  const at = new Date(ms);
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}
