"""Download a published file into the cache: verified, resumable, safe among several processes.

    intact in the cache? -> lock -> partial file, resumed -> hash -> fsync -> rename

A file is hashed each time it is requested, so a damaged one is never loaded. A partial file has a
name of its own, which begins with a dot. Three environment variables are read at each call:

    ZOO_CACHE    the cache folder
    ZOO_OFFLINE  1: never use the network
    ZOO_TIMEOUT  seconds before a stalled connection is dropped
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import ipaddress
import os
import re
import shutil
import socket
import ssl
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from zoo.common.files import cache_dir

BLOCK = 2**20  # bytes read at a time
ATTEMPTS = 4  # consecutive ones that receive nothing new
BACKOFF = 0.5  # seconds before the second attempt; doubles
TIMEOUT = 20.0  # seconds
TRANSIENT = {408, 425, 429}  # HTTP errors that are worth another attempt, as are all from 500 on


class DownloadError(OSError):
    """A file could not be downloaded; the message gives the URL, the reason and what to do."""


class _Interrupted(Exception):
    """An attempt failed, but the next one may succeed."""


def fetch(url: str, *, sha256: str, name: str | None = None, progress: bool = True) -> Path:
    """Return the path of a verified copy of the file at `url`, downloading it if necessary.

    An interrupted download is resumed. If several processes or threads want the same file, one
    downloads it and the others wait.

    Args:
        url: An https URL; http is accepted for this machine only (localhost).
        sha256: The published hash: "sha256:HEX" or HEX, which may be cut to its first 8 digits or
            more, or "md5:HEX" with all 32.
        name: Name in the cache; by default that of the URL. The first 8 digits of the hash are
            prepended unless it contains them, because names like "model.safetensors" are not
            unique.
        progress: Show a progress bar if standard error is a terminal.

    Returns:
        The path of the file in `cache_dir()`.

    Raises:
        ValueError: If `sha256` or `name` is malformed.
        DownloadError: If the file is not in the cache and cannot be downloaded: offline, refused,
            not found, repeatedly interrupted, or with another hash; or if the cache folder is full
            or not writable.

    Example:
        A file that you put into the cache yourself is found there:

        >>> import tempfile
        >>> from unittest import mock
        >>> folder = tempfile.mkdtemp()
        >>> with mock.patch.dict("os.environ", ZOO_CACHE=folder, ZOO_OFFLINE="1"):
        ...     _ = (cache_dir() / "2cf24dba-hello.npz").write_bytes(b"hello")
        ...     fetch("https://example.org/hello.npz", sha256="2cf24dba5fb0").name
        '2cf24dba-hello.npz'
    """
    algorithm, digits = _parse_hash(sha256)
    path = cache_dir() / _file_name(url, name, digits)
    file = _File(url, algorithm, digits, path, progress)
    if file.fault(path) is None:
        return path
    try:
        if not path.exists():
            file.refuse_offline()
        path.parent.mkdir(parents=True, exist_ok=True)
        with _lock(file.beside("lock"), path.name, progress):
            if file.fault(path) is not None:  # no other process downloaded it meanwhile
                file.refuse_offline()
                file.download()
        return path
    except DownloadError:
        raise
    except OSError as error:
        raise DownloadError(
            f"{url}: the cache folder {path.parent} cannot be used ({error.strerror or error}); "
            f"set ZOO_CACHE to a writable folder, or put the file at {path} yourself"
        ) from error


def _parse_hash(text: str) -> tuple[str, str]:
    """Split "md5:HEX", "sha256:HEX" or HEX into algorithm and digits."""
    match = re.fullmatch(r"(?:(sha256|md5):)?([0-9a-f]+)", text.strip().lower())
    algorithm, digits = match.groups() if match else (None, "")
    lengths = {"md5": range(32, 33), "sha256": range(8, 65)}[algorithm or "sha256"]
    if len(digits) not in lengths or (algorithm is None and len(digits) == 32):
        raise ValueError(
            'sha256 must be "sha256:" and 8 to 64 hexadecimal digits, or only the digits (but not '
            f'32 of them), or "md5:" and 32 digits. Received: {text!r}'
        )
    return algorithm or "sha256", digits


def _file_name(url: str, name: str | None, digits: str) -> str:
    """Return the name in the cache: a plain file name, not hidden, unique by its hash."""
    if name is None:
        base = urllib.parse.unquote(urllib.parse.urlsplit(url).path).rpartition("/")[2]
        base = re.sub(r"[^\w.+-]", "_", base)
    else:
        base = name
    if not re.fullmatch(r"\w[^/\\:\0]*", base):
        raise ValueError(
            "name must be the name of a file, without folders, that begins with a letter or a "
            f"digit. Received: {base!r} for {url}"
        )
    return base if digits[:8] in base.lower() else f"{digits[:8]}-{base}"


@dataclass(frozen=True)
class _File:
    """A file to download, and where to put it."""

    url: str
    algorithm: str
    digits: str
    path: Path
    progress: bool

    def beside(self, kind: str) -> Path:
        return self.path.with_name(f".{self.path.name}.{kind}")

    def error(self, fault: str) -> DownloadError:
        advice = f"you can download it by other means and put it at {self.path}"
        return DownloadError(f"{self.url}: {fault}; {advice}")

    def refuse_offline(self) -> None:
        if os.environ.get("ZOO_OFFLINE", "").lower() not in ("", "0", "false", "no"):
            raise self.error("it is missing or damaged in the cache, and ZOO_OFFLINE is set")

    def fault(self, path: Path) -> str | None:
        """Say what is wrong with a copy of the file at `path`; None if it is intact."""
        try:
            with path.open("rb") as copy:
                digest = hashlib.file_digest(copy, self.algorithm).hexdigest()
        except OSError as error:
            return f"it cannot be read ({error.strerror or error})"
        if digest.startswith(self.digits):
            return None
        return f"its {self.algorithm} is {digest}, not {self.digits}"

    def download(self) -> None:
        """Download to the partial file, verify it, and rename it. The caller holds the lock."""
        part = self.beside("part")
        for _ in range(2):  # a damaged partial file can spoil the first download, not the second
            if self.fault(part) is not None:  # it is intact after a kill just before the rename
                self._receive(part)
            fault = self.fault(part)
            if fault is None:
                with part.open("rb+") as copy:
                    os.fsync(copy.fileno())
                os.replace(part, self.path)
                self._discard()
                return
            self._discard()
        raise self.error(f"what was downloaded is not the file that was published: {fault}")

    def _discard(self) -> None:
        self.beside("part").unlink(missing_ok=True)
        self.beside("etag").unlink(missing_ok=True)

    def _receive(self, part: Path) -> None:
        """Repeat until the file is complete or several consecutive attempts receive nothing."""
        with _bar(self.path.name, self.progress) as advance:
            furthest, failures = _length(part), 0
            while True:
                try:
                    return self._attempt(part, advance)
                except _Interrupted as interruption:
                    have = _length(part)
                    failures = 0 if have > furthest else failures + 1
                    furthest = max(furthest, have)
                    if failures == ATTEMPTS:
                        kept = f"; the {have} bytes received are kept, try again" if have else ""
                        raise self.error(f"{interruption}, {ATTEMPTS} times{kept}") from None
                    time.sleep(BACKOFF * 2 ** max(failures - 1, 0))

    def _attempt(self, part: Path, advance: Callable[[int, int | None], None]) -> None:
        """Request the missing bytes and append them."""
        have = _length(part)
        with self._open(have) as response:
            start = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
            if response.status == 206 and (start is None or int(start[1]) != have):
                self._discard()
                raise _Interrupted("the server sent a different range than requested")
            if response.status != 206:
                have = 0  # the server ignores ranges, or its file has changed
            length = response.headers.get("Content-Length", "")
            total = have + int(length) if length.isdigit() else None
            try:
                if total and total - have > shutil.disk_usage(part.parent).free:
                    raise OSError(f"{total - have} bytes are missing, more than are free")
                with part.open("ab" if have else "wb") as file:
                    if not have:
                        self.beside("etag").write_text(_validator(response), "latin-1")
                    while block := _read(response):
                        file.write(block)
                        have += len(block)
                        advance(have, total)
            except OSError as error:  # of the disk; the network's are _Interrupted
                self._discard()
                raise self.error(
                    f"the disk of {part.parent} is full or failing ({error.strerror or error}), so "
                    "the partial file was removed: free some space or set ZOO_CACHE to another disk"
                ) from error
            if total is not None and have < total:
                raise _Interrupted(f"the connection was cut off at {have} of {total} bytes")

    def _open(self, have: int) -> Any:
        """Send the request; raise _Interrupted only where another attempt may help."""
        headers = {"User-Agent": "keras-modelzoo", "Accept-Encoding": "identity"}
        if have:
            headers["Range"] = f"bytes={have}-"
            with contextlib.suppress(OSError):
                validator = self.beside("etag").read_text("latin-1")
                if re.fullmatch("[ -~]+", validator):  # not a damaged file
                    headers["If-Range"] = validator
        try:
            _check_scheme(self.url)
            request = urllib.request.Request(self.url, headers=headers)
            return urllib.request.build_opener(_Redirects).open(request, timeout=_timeout())
        except DownloadError as error:
            raise self.error(str(error)) from None
        except urllib.error.HTTPError as error:
            error.close()
            reason = str(error.reason).partition("\n")[0]
            if error.code == 416 and have:
                self._discard()
            elif error.code not in TRANSIENT and error.code < 500:
                raise self.error(f"the server answers {error.code}, {reason}") from error
            raise _Interrupted(f"the server answers {error.code}, {reason}") from error
        except (http.client.InvalidURL, ValueError) as error:
            raise self.error(f"this is not a valid URL ({error})") from error
        except (OSError, http.client.HTTPException) as error:
            cause = getattr(error, "reason", error)
            if isinstance(cause, socket.gaierror | ssl.SSLCertVerificationError):
                raise self.error(f"the server cannot be reached ({cause})") from error
            raise _Interrupted(_network_fault(cause)) from error


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects to https, and from http to http here; the base class catches loops."""

    def redirect_request(
        self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        _check_scheme(newurl, local=req.type == "http")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _check_scheme(url: str, local: bool = True) -> None:
    """Accept https, and if `local` also http on this machine."""
    parts = urllib.parse.urlsplit(url)
    host = parts.hostname or ""
    if local and parts.scheme == "http":
        with contextlib.suppress(ValueError):
            if host == "localhost" or ipaddress.ip_address(host).is_loopback:
                return
    if parts.scheme != "https" or not host:
        raise DownloadError(f"only https is accepted, and this leads to {url}")


def _timeout() -> float:
    text = os.environ.get("ZOO_TIMEOUT") or str(TIMEOUT)
    with contextlib.suppress(ValueError):
        if 0 < float(text) < 1e6:
            return float(text)
    raise DownloadError(f"ZOO_TIMEOUT must be a number of seconds above 0; received {text!r}")


def _validator(response: Any) -> str:
    """Return what identifies this version of the file for If-Range; "" if nothing does."""
    etag = response.headers.get("ETag", "")
    return etag if etag.startswith('"') else response.headers.get("Last-Modified", "")


def _read(response: Any) -> bytes:
    try:
        return response.read1(BLOCK)
    except (OSError, http.client.HTTPException) as error:
        raise _Interrupted(_network_fault(error)) from error


def _network_fault(error: object) -> str:
    if isinstance(error, TimeoutError):
        return f"the server sent nothing for {_timeout():g} s (ZOO_TIMEOUT)"
    return f"the connection failed ({str(error) or type(error).__name__})"


def _length(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _is_shown(progress: bool) -> bool:
    return progress and sys.stderr is not None and sys.stderr.isatty()


@contextlib.contextmanager
def _bar(name: str, progress: bool) -> Iterator[Callable[[int, int | None], None]]:
    """Show a progress bar on a terminal; yields the function that sets its (bytes, total)."""
    if not _is_shown(progress):
        yield lambda have, total: None
        return
    from rich import console
    from rich import progress as bars

    columns = (
        bars.TextColumn("{task.description}"),
        bars.BarColumn(),
        bars.DownloadColumn(),
        bars.TransferSpeedColumn(),
        bars.TimeRemainingColumn(),
    )
    with bars.Progress(*columns, console=console.Console(stderr=True)) as bar:
        task = bar.add_task(name, total=None)
        yield lambda have, total: bar.update(task, completed=have, total=total)


@contextlib.contextmanager
def _lock(path: Path, name: str, progress: bool) -> Iterator[None]:
    """Hold a lock among threads and processes; the system releases it if its holder dies."""
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        if _is_shown(progress):
            print(f"Waiting for another process that is downloading {name}", file=sys.stderr)
        lock.acquire()
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # Windows keeps open files
            path.unlink()  # before the release: whoever waits for it takes a new file
        lock.release()
