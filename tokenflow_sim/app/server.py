"""Serving the page from this computer, to this computer."""

from __future__ import annotations

import asyncio
import re
import socket
import threading
import warnings
import webbrowser
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from tokenflow_sim.errors import ResultError

HOST = "127.0.0.1"
_ASSETS = "/_solara/cdn/"
_VERSIONED = re.compile(r"(?P<name>(?:@[\w.-]+/)?[\w.-]+)@(?P<version>[\w.-]+)(?P<rest>/.*)")


class LocalAssets:
    """An ASGI application that asks another for assets in the versions that are installed.

    Solara asks for its browser code in one exact version, and fetches it from the network where `solara-assets`
    carries another. Within a major version the installed one serves as well, and needs no network.

    Parameters
    ----------
    app : callable
        The application.
    folder : Path
        Where assets are installed.
    """

    def __init__(self, app: Callable[..., Any], folder: Path) -> None:
        self.app = app
        self.folder = folder

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request."""
        if scope["type"] == "http" and scope["path"].startswith(_ASSETS):
            path = _ASSETS + self.installed(scope["path"].removeprefix(_ASSETS))
            scope = {**scope, "path": path, "raw_path": path.encode()}
        await self.app(scope, receive, send)

    def installed(self, path: str) -> str:
        """Return a path in the version that is installed; as it is where it is there, or nothing like it is."""
        match = _VERSIONED.fullmatch(path)
        if match is None or (self.folder / path).exists():
            return path
        name, major = match["name"], match["version"].partition(".")[0]
        near = sorted(self.folder.glob(f"{name}@{major}.*"), reverse=True)
        found = [place for place in near if Path(f"{place}{match['rest']}").is_file()]
        return f"{name}@{found[0].name.rpartition('@')[2]}{match['rest']}" if found else path


class Server:
    """The page's server, in a thread of its own.

    Parameters
    ----------
    source : str
        The scenario that the page shows first.
    port : int
        Where to listen; 0 takes any free port.

    Raises
    ------
    ResultError
        If the port is taken, or the extra of the page is not installed.
    """

    def __init__(self, source: str, port: int) -> None:
        self._socket = _listen(port)
        self.url = f"http://{HOST}:{self._socket.getsockname()[1]}"
        try:
            self._server = _prepare(source)
        except ModuleNotFoundError as error:
            self._socket.close()
            raise ResultError(
                f'the page needs {error.name}, which is not installed: pip install "tokenflow-sim[app]"'
            ) from error
        self._thread = threading.Thread(target=self._serve, name="tokenflow page", daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        asyncio.run(self._server.serve(sockets=[self._socket]))

    @property
    def is_up(self) -> bool:
        """Whether the server answers."""
        return bool(self._server.started)

    def wait(self, seconds: float | None = None) -> None:
        """Wait until the server ends."""
        self._thread.join(seconds)

    def stop(self) -> None:
        """End the server."""
        self._server.should_exit = True
        self._thread.join(10)
        self._socket.close()


def open_browser(url: str) -> None:
    """Show the page in the user's browser; without one the printed address has to do."""
    threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()


def _listen(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise ResultError(
            f"cannot listen on port {port} of {HOST} ({error.strerror}): is the page open there already?"
            " Choose another with --port, or --port 0 for any that is free"
        ) from error
    return listener


def _prepare(source: str) -> Any:
    """Make the server: nothing is sent to anybody, and what the page needs is taken from this computer."""
    settings = import_module("solara.server.settings")
    settings.telemetry.mixpanel_enable = False
    settings.theme.title, settings.theme.show_banner, settings.theme.loader = "tokenflow", False, "plain"
    settings.session.same_site = "strict"
    uvicorn = import_module("uvicorn")
    app, starlette = (import_module(f"solara.server.{name}") for name in ("app", "starlette"))
    page = import_module("tokenflow_sim.app.page")
    page.begin_with(source)
    app.apps["__default__"].close() if "__default__" in app.apps else None
    app.apps["__default__"] = app.AppScript("tokenflow_sim.app.page:Page")
    warnings.filterwarnings("ignore", category=UserWarning, module="solara.server.starlette")
    folder = Path(settings.assets.proxy_cache_dir)
    if not (folder / "@widgetti").is_dir():
        warnings.warn(
            "the page's browser code is not installed and will be fetched from the network;"
            " to have it here: pip install solara-assets",
            stacklevel=2,
        )
    served = LocalAssets(starlette.app, folder)
    return uvicorn.Server(
        uvicorn.Config(served, log_level="critical", access_log=False, timeout_graceful_shutdown=1)
    )
