"""Requests that a stranger could send: to what is not served, by every spelling of its address."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Sequence
from itertools import product

# Prints the pattern of each address that a server has; as a module's main code, in its own process.
PAGE_ROUTES = """
import asyncio
import tornado.web
from digitlib.widgets.jupyter.page import PageServer
async def main():
    server = PageServer(connection_dir=".")
    server.initialize([each for each in sys.argv[1:] if "pool" not in each] + ["--pool_size=0"])
    server.app = tornado.web.Application(**server.init_settings())
    server.app.add_handlers(".*$", server.init_handlers())
    show(server.app)
asyncio.run(main())
"""
LAB_ROUTES = """
from jupyterlab.labapp import LabApp
show(LabApp.initialize_server(argv=sys.argv[1:]).web_app)
"""
SHOW_ROUTES = """
import json, sys
def show(app):
    found = {}
    for rule in [*app.default_router.rules, *app.wildcard_router.rules]:
        for each in getattr(rule.target, "rules", [rule]):
            regex = getattr(each.matcher, "regex", None)
            if regex is not None:
                found[regex.pattern] = each.target.__name__
    print("ROUTES" + json.dumps(found))
"""

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "BREW")

# Files of the repository and of the machine, and what stands in them.
SECRETS = {
    "README.md": b"# digitlib",
    "notebooks/02_explore.ipynb": b'"cells"',
    "notebooks/01_draw.ipynb": b'"cells"',
    "pyproject.toml": b"[project]",
    "digitlib/widgets/pad.py": b"DrawingPad",
    ".git/HEAD": b"ref: ",
    "reports/screenshots/app.png": b"PNG",
    "etc/passwd": b"root:",
    "proc/self/environ": b"PATH=",
}

UP = (
    "..", "%2e%2e", "%2E.", ".%2e", "%252e%252e", "%25252e%25252e", "..;", "..;a=b", "....",
    "%c0%ae%c0%ae", "%e0%80%ae%e0%80%ae", "%f0%80%80%ae.", "%u002e%u002e", "%uff0e%uff0e",
    "\uff0e\uff0e", "%ef%bc%8e%ef%bc%8e", "\u2024\u2024", "..%00", "%00..", "..%0a", "..%20",
    "..%09",
    ".\\.", "..%ff", "..%c2%a0", "~", ".", "",
)  # fmt: skip
SLASHES = (
    "/", "%2f", "%252f", "\\", "%5c", "%255c", "//", "/./", "%c0%af", "%e0%80%af", "%u2215",
    "\u2215", "%e2%88%95", "\uff0f", "%ef%bc%8f", ";/", "/%00/", "/%2e/",
)  # fmt: skip
DEPTHS = (1, 3, 9)
WHOLE = (
    "/{}", "//{}", "///{}", "%2f{}", "%5c{}", "\\{}", "file:///{}", "file:%2f%2f%2f{}", "{}%00",
    "{}%00.js", "{}%00.css", "{}?", "{}#", "{};.js", "{}/.", "{}%20", "{}.", "{}~", "%2e/{}",
    "C:%5c{}", "C:/{}", "%5c%5c127.0.0.1%5c{}", "CON", "{}::$DATA", "http://127.0.0.1/{}",
    "%7e/{}", "~root/{}", "static/{}", "static/../{}", "static/..%2f{}", "static%2f..%2f{}",
)  # fmt: skip

# Where Jupyter's servers and their extensions have had files and notebooks.
PLACES = (
    "/", "/voila/", "/voila/files/", "/voila/render/", "/voila/tree/", "/voila/static/",
    "/voila/templates/", "/voila/templates/lab/static/", "/voila/templates/pad/static/",
    "/voila/templates/../static/", "/voila/labextensions/",
    "/voila/labextensions/anywidget/static/",
    "/voila/api/themes/", "/voila/api/contents/", "/voila/query/", "/voila/execution/",
    "/files/", "/static/", "/static/lab/", "/notebooks/", "/tree/", "/edit/", "/view/", "/custom/",
    "/nbextensions/", "/nbconvert/html/", "/lab/tree/", "/lab/extensions/", "/lab/api/themes/",
    "/lab/api/settings/", "/lab/api/listings/", "/lab/api/translations/",
    "/doc/tree/", "/api/contents/", "/api/notebooks/", "/api/files/", "/kernelspecs/python3/",
    "/.well-known/", "/proxy/", "/proxy/22/",
)  # fmt: skip

KERNEL = str(uuid.uuid4())
INTERFACES = (
    "/api", "/api/", "/api/kernels", f"/api/kernels/{KERNEL}", f"/api/kernels/{KERNEL}/channels",
    f"/api/kernels/{KERNEL}/interrupt", f"/api/kernels/{KERNEL}/restart", "/api/sessions",
    f"/api/sessions/{KERNEL}", "/api/contents", "/api/contents/notebooks/01_draw.ipynb",
    "/api/contents/new/checkpoints", "/api/contents/README.md/trust", "/api/terminals",
    "/api/terminals/1", "/terminals/1", "/terminals/websocket/1", "/terminals/new", "/api/config",
    "/api/config/notebook", "/api/kernelspecs", "/api/kernelspecs/python3", "/api/shutdown",
    "/api/status", "/api/me", "/api/spec.yaml", "/api/events", "/api/events/subscribe",
    "/api/nbconvert", "/api/security/csp-report", "/api/resolvePath", "/api/metrics/v1",
    "/metrics", "/lsp/status", "/lsp/ws/pylsp", "/lab", "/lab/", "/lab/api/settings",
    "/lab/api/workspaces", "/lab/api/workspaces/default", "/lab/api/extensions", "/lab/api/build",
    "/lab/api/plugins", "/lab/api/news", "/lab/api/update", "/hub",
    "/user", "/shutdown", "/logout", "/voila", "/voila/tree", "/voila/static", "/voila/templates",
    "/voila/labextensions", "/voila/labextensions/", "/voila/static/",
    "/voila/templates/lab/static/",
    "/voila/api/shutdown", "/voila/api/shutdown/", f"/voila/api/shutdown/{KERNEL}",
    f"/voila/query/{KERNEL}", f"/voila/execution/{KERNEL}", "/index.html", "/01_draw.ipynb",
    "/notebooks/01_draw.ipynb", "/voila/render/01_draw.ipynb", "/console", "/debug",
    "/server-status",
)  # fmt: skip

FOREIGN_HOSTS = (
    "evil.example", "evil.example:{port}", "127.0.0.1.evil.example",
    "127.0.0.1.evil.example:{port}",
    "localhost.evil.example", "localhost.", "evil.example@127.0.0.1:{port}",
    "127.0.0.1:{port}@evil",
    "127.0.0.1@evil.example", "[::1].evil.example", "[::ffff:8.8.8.8]", "0.0.0.0", "0", "127.1",
    "2130706433", "0x7f.1", "192.168.0.7:{port}", "8.8.8.8", "[2001:db8::1]:{port}",
    "LOCALHOST.COM",
    "127.0.0.1,evil.example", "127.0.0.1 evil.example", "xn--localhost", "evil.example/127.0.0.1",
    "..", "*", "%31%32%37.0.0.1", "127.0.0.1%00.evil.example",
)  # fmt: skip

FOREIGN_ORIGINS = (
    "http://evil.example", "https://evil.example", "null", "file://", "http://127.0.0.1",
    "http://127.0.0.1:1", "http://localhost:{port}", "http://127.0.0.1.evil.example:{port}",
    "http://127.0.0.1:{port}.evil.example", "http://evil.example/127.0.0.1:{port}",
    "http://127.0.0.1:{port}@evil.example", "http://user@127.0.0.1:{port}", "127.0.0.1:{port}",
    "http://[::1]:{port}", "chrome-extension://abc", "http://127.0.0.1:{port}, http://evil.example",
)  # fmt: skip


def files(prefixes: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    """Addresses of files that nobody may read, below these prefixes; what stands in the file."""
    for prefix, (path, content) in product(prefixes, SECRETS.items()):
        yield prefix + path, content
        for form in WHOLE:
            yield prefix + form.format(path), content
        for up, slash, depth in product(UP, SLASHES, DEPTHS):
            yield prefix + depth * (up + slash) + path.replace("/", slash), content


def addresses(patterns: Sequence[str]) -> list[str]:
    """An address of each pattern that a server has; of paths one that leads out of its folder."""
    return [_example(pattern) for pattern in patterns]


def _example(pattern: str) -> str:
    text = pattern.removesuffix("$").replace("\\.", ".")
    while (found := _GROUP.search(text)) is not None:
        name, body = found[1] or "", found[2]
        sample = KERNEL if "id" in name or body.startswith(r"\w+-") else "x"
        if ".*" in body or ".+" in body:
            sample = "../../pyproject.toml"
        if body.startswith((r"?:", "/", "(")):
            sample = "/pyproject.toml"
        elif re.fullmatch(r"[\w|.]+", body):
            sample = body.split("|")[0]
        text = text[: found.start()] + sample + text[found.end() :]
    return re.sub(r"\[[^]]*\][+*]?|\\\w[+*]?", "x", text).replace(".*", "x").replace("?", "")


_GROUP = re.compile(r"\((?:\?P<(\w+)>|\?:)?([^()]*)\)[?*+]?")
