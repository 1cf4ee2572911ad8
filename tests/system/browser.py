"""Debian's chromium in headless mode, controlled over the pipe of its DevTools protocol, so that no port is opened."""

import base64
import fcntl
import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

OPTIONS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
PATIENCE = 60  # seconds


class Page:
    """Browser tab; `events` has all requests, console messages and exceptions."""

    def __init__(self, reader: int, writer: int) -> None:
        self.reader, self.writer, self.rest = reader, writer, b""
        self.events: list[dict[str, Any]] = []
        self.number, self.session = 0, ""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command of the protocol and return its result."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.writer, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._message()
            if answer.get("id") == self.number:
                assert "error" not in answer, answer["error"]
                return answer["result"]

    def _message(self) -> dict[str, Any]:
        while b"\0" not in self.rest:
            read = os.read(self.reader, 2**20)
            assert read, "chromium ended; its log lies in the profile"
            self.rest += read
        line, self.rest = self.rest.split(b"\0", 1)
        message = json.loads(line)
        if "method" in message:
            self.events.append(message)
        return message

    def open(self, url: str, width: int = 1280, height: int = 900, scheme: str = "light") -> None:
        self.events.clear()
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.call("Page.navigate", url=url)
        deadline = time.monotonic() + PATIENCE
        while not any(event["method"] == "Page.loadEventFired" for event in self.events):
            assert time.monotonic() < deadline, "the page did not load"
            self._message()
        self.settle()

    def settle(self) -> None:
        """Wait until pending changes are drawn."""
        self.run("await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def run(self, script: str) -> Any:
        """Return the result of an async function with this body."""
        expression = f"(async () => {{ {script} }})()"
        result = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def value(self, expression: str) -> Any:
        return self.run(f"return {expression}")

    def mouse(self, kind: str, x: float, y: float, buttons: int = 0) -> None:
        button = "left" if buttons or kind == "mouseReleased" else "none"
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button=button, buttons=buttons, clickCount=1)

    def key(self, name: str) -> None:
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=name, code=name)
        self.settle()

    def picture(self, path: Path, whole: bool = False) -> None:
        """Return a screenshot of the window, or of the whole page."""
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(shot["data"]))

    def complaints(self) -> list[str]:
        """Return errors and warnings of the console, including exceptions."""
        found = []
        for event in self.events:
            method, details = event["method"], event.get("params", {})
            if method == "Runtime.exceptionThrown":
                found.append(str(details["exceptionDetails"]))
            elif method == "Runtime.consoleAPICalled" and details["type"] in ("error", "warning", "assert"):
                found.append(str(details["args"]))
            elif method == "Log.entryAdded" and details["entry"]["level"] in ("error", "warning"):
                found.append(str(details["entry"]))
        return found

    def requests(self) -> list[str]:
        """Return the requested addresses, without data: addresses, which are part of the page."""
        asked = [
            event["params"]["request"]["url"] for event in self.events if event["method"] == "Network.requestWillBeSent"
        ]
        return [url for url in asked if not url.startswith("data:")]


@contextmanager
def chromium(profile: Path) -> Iterator[Page]:
    """Yield a page of a browser that ends with the block."""
    (their_reader, our_writer), (our_reader, their_writer) = os.pipe(), os.pipe()
    command = ["chromium", *OPTIONS, f"--user-data-dir={profile}", "--remote-debugging-pipe"]

    def pipes_as_3_and_4() -> None:
        out_of_the_way = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (their_reader, their_writer)]
        for place, end in zip((3, 4), out_of_the_way, strict=True):
            os.dup2(end, place)

    with (profile / "chromium.log").open("wb") as log:
        process = subprocess.Popen(command, pass_fds=(3, 4), preexec_fn=pipes_as_3_and_4, stdout=log, stderr=log)
    os.close(their_reader)
    os.close(their_writer)
    try:
        yield Page(our_reader, our_writer)
    finally:
        os.close(our_reader)
        os.close(our_writer)  # ends the browser
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
