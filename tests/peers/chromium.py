"""A headless Chromium that opens a file, tells what is where on the page, and takes pictures of it.

It is spoken to by its DevTools protocol over a pair of pipes: JSON objects that end in a zero byte.
"""

import base64
import json
import os
import subprocess
from pathlib import Path
from typing import Any

from peers.machine import require_program

_READING, _WRITING = 3, 4  # the numbers that Chromium expects


class Chromium:
    """A context manager; `folder` is the browser's own."""

    def __init__(self, folder: Path) -> None:
        program = require_program("chromium-headless-shell", "chromium-headless-shell")
        their_reading, self._writing = os.pipe()
        self._reading, their_writing = os.pipe()
        self._process = subprocess.Popen(
            [
                # bash gives the pipes their numbers; a plain sh knows none over 9
                *("bash", "-c", f'exec "$@" {_READING}<&{their_reading} {_WRITING}>&{their_writing}', "bash"),
                *(program, "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
                *(f"--user-data-dir={folder}", "--remote-debugging-pipe", "about:blank"),
            ],
            pass_fds=(their_reading, their_writing),
            stderr=subprocess.DEVNULL,
        )
        os.close(their_reading)
        os.close(their_writing)
        self._rest = b""
        self._last_id = 0
        self._session: str | None = None
        self.requests: list[str] = []  # all addresses that pages asked for

    def __enter__(self) -> "Chromium":
        target = self._ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self._ask("Page.enable")
        self._ask("Network.enable")
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._writing)
        os.close(self._reading)
        self._process.terminate()
        self._process.wait(30)

    def open(self, page: Path, width: int, height: int = 900) -> None:
        """Shows the page in a window of so many CSS pixels; returns when it is loaded."""
        self._ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self._ask("Page.navigate", url=page.as_uri())
        while self._hear()["method"] != "Page.loadEventFired":
            pass

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression on the page."""
        told = self._ask("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in told, told
        return told["result"].get("value")

    def picture(self, path: Path) -> None:
        """The whole page as PNG."""
        told = self._ask("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(told["data"]))

    def pages_on_paper(self) -> int:
        """How many sheets of A4 it would be printed on."""
        told = self._ask("Page.printToPDF", paperWidth=8.27, paperHeight=11.69, preferCSSPageSize=True)
        return base64.b64decode(told["data"]).count(b"/Type /Page\n")

    def _ask(self, method: str, **parameters: Any) -> Any:
        self._last_id += 1
        request = {"id": self._last_id, "method": method, "params": parameters}
        if self._session:
            request["sessionId"] = self._session
        os.write(self._writing, json.dumps(request).encode() + b"\0")
        while True:
            told = self._hear()
            if told.get("id") == self._last_id:
                assert "error" not in told, told
                return told["result"]

    def _hear(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            more = os.read(self._reading, 65_536)
            assert more, "the browser has ended"
            self._rest += more
        text, _, self._rest = self._rest.partition(b"\0")
        told: dict[str, Any] = json.loads(text)
        if told.get("method") == "Network.requestWillBeSent":
            self.requests.append(told["params"]["request"]["url"])
        return told
