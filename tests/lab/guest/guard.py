#!/usr/bin/python3
"""The guard at the screen: guard.py NAME PIN LANE open|dismiss, with the same requests as the page's."""

import http.cookiejar
import json
import sys
import urllib.request

URL = "http://127.0.0.1:8080/"


def main():
    name, pin, lane, verb = sys.argv[1:]
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
    for path, body in (("sign-in", {"operator": name, "pin": pin}), (f"lanes/{lane}/{verb}", {"why": "tried out"})):
        headers = {"Content-Type": "application/json", "Origin": URL.rstrip("/")}
        request = urllib.request.Request(URL + path, json.dumps(body).encode(), headers)  # noqa: S310 - a constant
        with browser.open(request, timeout=60) as answer:
            said = json.load(answer)
        if not said["ok"]:
            sys.exit(f"{path}: {said}")


if __name__ == "__main__":
    main()
