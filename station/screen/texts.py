"""What the guard screen's server answers, in both languages."""

from __future__ import annotations

from station.core.model import Text


def text(zh: str, en: str) -> Text:
    """Make a message from its two languages."""
    return {"zh": zh, "en": en}


SIGNED_IN = text("已登录。", "Signed in.")
SIGNED_OUT = text("已退出登录。", "Signed out.")
SIGN_IN_FIRST = text("请先登录，然后再操作。", "Sign in first, then try again.")
WRONG_PIN = text("编号或密码不对，请重新输入。", "Name or PIN is wrong. Enter both again.")
SIGN_IN_BUSY = text("另一人正在登录，请稍后再试。", "Somebody else is signing in. Try again in a moment.")
NO_GUARDS = text(
    "保安名单不能用，无法登录。请用机械钥匙开门，并通知技术员运行 gate-station doctor。",
    "The list of guards cannot be used. Use the mechanical key and ask the technician to run gate-station doctor.",
)
GATE_SILENT = text(
    "闸机没有回应，请求可能稍后才执行。先看门是否已开，否则请用机械钥匙，并通知技术员。",
    "The gate does not answer; the request may still take effect. Look at the door, use the mechanical key if it stays "
    "locked, and call the technician.",
)
NO_SUCH_LANE = text("没有这个通道，请刷新页面。", "There is no such lane. Reload the page.")
WHY_MISSING = text("请选择或填写原因（最多 200 字）。", "Choose or write a reason (at most 200 characters).")
BAD_REQUEST = text("请求格式不对，请刷新页面后重试。", "The request is malformed. Reload the page and try again.")
TOO_LARGE = text("请求太大，请缩短内容。", "The request is too large. Shorten the text.")
NOT_FOUND = text("没有这个页面。", "There is no such page.")
NOT_HERE = text(
    "此地址不能访问值班屏，请用本机地址打开。",
    "The screen cannot be reached under this address. Open it by the machine's own address.",
)
TOO_MANY_SCREENS = text("打开的值班屏太多，请关掉一个。", "Too many screens are open. Close one of them.")
BROKEN = text(
    "值班屏出错，请重试；如再次出现请通知技术员。",
    "The screen's server failed. Try again; if it happens again, call the technician.",
)


def locked(seconds: float) -> Text:
    """Sign-in is locked for `seconds`."""
    whole = max(1, round(seconds))
    return text(
        f"密码输错次数过多，请等 {whole} 秒后再试。", f"Too many wrong PINs. Wait {whole} seconds, then try again."
    )
