"""A page as a browser sees it."""

import functools
import html.parser
import http.server
import shutil
import subprocess
import threading

VOID = {"meta", "img", "wbr"}
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)


class Page(html.parser.HTMLParser):
    """The elements of a page, each with its attributes, its text and its children."""

    def __init__(self, text):
        super().__init__()
        self.elements = []
        self._open = []
        self.feed(text)
        assert not self._open

    def handle_starttag(self, tag, attrs):
        found = {"tag": tag, "text": "", "inside": [], **dict(attrs)}
        for element in self._open:
            element["inside"].append(found)
        self.elements.append(found)
        if tag not in VOID:
            self._open.append(found)

    def handle_endtag(self, tag):
        assert self._open.pop()["tag"] == tag

    def handle_data(self, data):
        for element in self._open:
            element["text"] += data.replace("\n", "")

    def all(self, tag):
        return [element for element in self.elements if element["tag"] == tag]

    def table(self, caption):
        """The rows of a table as lists of texts."""
        (table,) = (
            table
            for table in self.all("table")
            if table["inside"][0]["text"].startswith(caption)
        )
        rows = [x for x in table["inside"] if x["tag"] == "tr"]
        return [[c["text"] for c in r["inside"] if c["tag"] in ("th", "td")] for r in rows]


class Recorder(http.server.SimpleHTTPRequestHandler):
    def __init__(self, asked, *arguments, **options):
        self.asked = asked
        super().__init__(*arguments, **options)

    def do_GET(self):
        self.asked.append(self.path)
        super().do_GET()

    def log_message(self, *arguments):
        pass


def browse(folder, profile):
    """The page as a browser sees it, and the paths that it asked for."""
    asked = []
    handler = functools.partial(Recorder, asked, directory=folder)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    options = (
        "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run "
        "--disable-background-networking --disable-component-update --disable-sync"
    )
    try:
        done = subprocess.run(
            [
                CHROMIUM,
                *options.split(),
                f"--user-data-dir={profile}",
                "--dump-dom",
                f"http://127.0.0.1:{server.server_port}/index.html",
            ],
            capture_output=True,
            text=True,
            timeout=120,
        )
    finally:
        server.shutdown()
        server.server_close()
    return Page(done.stdout), asked
