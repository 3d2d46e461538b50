"""Fetch a published file into the cache: verified, resumed, safe among several processes.

    right in the cache? -> lock -> partial file, resumed -> length and hash -> fsync -> rename

A file is hashed each time it is asked for, so that a damaged one is never loaded; a partial file
has a name of its own, which begins with a dot. Three environment variables, read at each call:

    ZOO_CACHE    the cache folder
    ZOO_OFFLINE  1: never use the network
    ZOO_TIMEOUT  seconds without an answer or a byte after which a connection is given up
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
from typing import IO, Any

from zoo.common.files import cache_dir

BLOCK = 2**20  # bytes read at a time
ATTEMPTS = 4  # in a row that bring nothing new
BACKOFF = 0.5  # seconds before the second attempt; doubles
TIMEOUT = 20.0  # seconds
PASSING = {408, 425, 429}  # HTTP errors that are worth another attempt, like all from 500 on


class DownloadError(OSError):
    """A file could not be fetched; the message says why, with which URL, and what to do.

    An OSError, as whatever the network or the disk does wrong. An argument that cannot be right
    (a hash, a size, a name) is a ValueError.
    """


class _Interrupted(Exception):
    """An attempt failed, and the next one may not."""


def fetch(
    url: str, *, sha256: str, size: int | None, name: str | None = None, progress: bool = True
) -> Path:
    """Give the path of a verified copy of the file at `url`, downloading it if need be.

    A download that was broken off, by whatever means, is resumed. Of several processes or threads
    that want the same file one downloads it and the others wait for it.

    Args:
        url: An https URL; http is for this machine alone (localhost).
        sha256: The hash as published: "sha256:HEX" or HEX, of which 8 digits or more may be given,
            or "md5:HEX" with all 32.
        size: Length in bytes; None if it is not known.
        name: Name in the cache; by default that of the URL. The first 8 digits of the hash are put
            before it unless it contains them: names like "model.safetensors" are not unique.
        progress: Show a bar, if standard error is a terminal.

    Returns:
        The path of the file in `cache_dir()`.

    Raises:
        ValueError: If `sha256`, `size` or `name` cannot be right.
        DownloadError: If the file is not in the cache and cannot be downloaded: offline, refused,
            not found, cut off or stalled again and again, not what the hash and the size say; or
            if the cache folder is full or cannot be written.

    Example:
        A file that was put into the cache by hand is found there:

        >>> import tempfile
        >>> from unittest import mock
        >>> folder = tempfile.mkdtemp()
        >>> with mock.patch.dict("os.environ", ZOO_CACHE=folder, ZOO_OFFLINE="1"):
        ...     _ = (cache_dir() / "2cf24dba-hello.npz").write_bytes(b"hello")
        ...     fetch("https://example.org/hello.npz", sha256="2cf24dba5fb0", size=5).name
        '2cf24dba-hello.npz'
    """
    algorithm, digits = _parse_hash(sha256)
    if size is not None and (not isinstance(size, int) or size < 0):
        raise ValueError(f"size must be a number of bytes or None. Received: {size!r}")
    path = cache_dir() / _file_name(url, name, digits)
    file = _File(url, algorithm, digits, size, path, progress)
    if file.fault(path) is None:
        return path
    try:
        if not path.exists():
            file.refuse_offline()
        path.parent.mkdir(parents=True, exist_ok=True)
        with _lock(file.beside("lock"), path.name, progress):
            if file.fault(path) is not None:  # nobody has fetched it while we waited
                file.refuse_offline()
                file.download()
        return path
    except DownloadError:
        raise
    except OSError as error:
        raise DownloadError(
            f"{url}: the cache folder {path.parent} cannot be used ({error.strerror or error}); "
            f"set ZOO_CACHE to a folder that you may write to, or put the file at {path} yourself"
        ) from error


def _parse_hash(text: str) -> tuple[str, str]:
    """Split "md5:HEX", "sha256:HEX" or HEX into algorithm and digits."""
    match = re.fullmatch(r"(?:(sha256|md5):)?([0-9a-f]+)", text.strip().lower())
    algorithm, digits = match.groups() if match else (None, "")
    lengths = {"md5": range(32, 33), "sha256": range(8, 65)}[algorithm or "sha256"]
    if len(digits) not in lengths or (algorithm is None and len(digits) == 32):
        raise ValueError(
            'sha256 must be "sha256:" and 8 to 64 hexadecimal digits, or these alone if they are '
            f'not 32, or "md5:" and 32 digits. Received: {text!r}'
        )
    return algorithm or "sha256", digits


def _file_name(url: str, name: str | None, digits: str) -> str:
    """The name in the cache: no folders, nothing hidden, no other file's."""
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
    """One file to fetch, and where to."""

    url: str
    algorithm: str
    digits: str
    size: int | None
    path: Path
    progress: bool

    def beside(self, kind: str) -> Path:
        return self.path.with_name(f".{self.path.name}.{kind}")

    def error(self, fault: str) -> DownloadError:
        advice = f"you may download it by other means and put it at {self.path}"
        return DownloadError(f"{self.url}: {fault}; {advice}")

    def refuse_offline(self) -> None:
        if os.environ.get("ZOO_OFFLINE", "").lower() not in ("", "0", "false", "no"):
            raise self.error("it is not in the cache, or damaged there, and ZOO_OFFLINE is set")

    def fault(self, path: Path) -> str | None:
        """What is wrong with a copy of the file at `path`; None if it is right."""
        try:
            with path.open("rb") as copy:
                found = os.fstat(copy.fileno()).st_size
                if self.size not in (None, found):
                    return f"it has {found} bytes and not {self.size}"
                digest = hashlib.file_digest(copy, self.algorithm).hexdigest()
        except OSError as error:
            return f"it cannot be read ({error.strerror or error})"
        if digest.startswith(self.digits):
            return None
        return f"its {self.algorithm} is {digest} and not {self.digits}"

    def download(self) -> None:
        """Download to the partial file, check it, and rename it. The lock is held."""
        part = self.beside("part")
        for _ in range(2):  # a wrong file may come of a damaged partial one, but not twice
            if self.fault(part) is not None:  # not one that was killed just before the renaming
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
        """Attempt until all is there, or until several attempts in a row bring nothing new."""
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
        """Ask for what is missing, and write it."""
        have = _length(part)
        with self._open(have) as response:
            start = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
            if response.status == 206 and (start is None or int(start[1]) != have):
                self._discard()
                raise _Interrupted("the server sent another part of the file than asked for")
            if response.status != 206:
                have = 0  # the server ignores ranges, or its file has changed
            length = response.headers.get("Content-Length", "")
            total = have + int(length) if length.isdigit() else None
            if total is not None and self.size not in (None, total):
                self._discard()
                kind = response.headers.get("Content-Type", "unknown type")
                raise self.error(f"the server has {total} bytes ({kind}) and not {self.size}")
            total = self.size if total is None else total
            try:
                if (total or 0) - have > shutil.disk_usage(part.parent).free:
                    raise OSError(f"{(total or 0) - have} bytes are to come, more than are free")
                with part.open("ab" if have else "wb") as file:
                    if not have:
                        self.beside("etag").write_text(_validator(response), "latin-1")
                    while total is None or have < total:
                        block = _read(response)
                        if not block:
                            break
                        file.write(block)
                        have += len(block)
                        advance(have, total)
            except OSError as error:  # of the disk: those of the network are _Interrupted
                self._discard()
                raise self.error(
                    f"the disk of {part.parent} is full or failing ({error.strerror or error}), so "
                    "the partial file was removed: free some space or set ZOO_CACHE to another disk"
                ) from error
            if total is not None and have < total:
                raise _Interrupted(f"the connection was cut off at {have} of {total} bytes")

    def _open(self, have: int) -> Any:
        """Send the request; sort what can be mended by another attempt from what cannot."""
        headers = {"User-Agent": "keras-modelzoo", "Accept-Encoding": "identity"}
        if have:
            headers["Range"] = f"bytes={have}-"
            with contextlib.suppress(OSError):
                validator = self.beside("etag").read_text("latin-1")
                if re.fullmatch("[ -~]+", validator):  # not what a crash has left
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
            elif error.code not in PASSING and error.code < 500:
                raise self.error(f"the server answers {error.code}, {reason}") from error
            raise _Interrupted(f"the server answers {error.code}, {reason}") from error
        except (http.client.InvalidURL, ValueError) as error:
            raise self.error(f"this is no valid URL ({error})") from error
        except (OSError, http.client.HTTPException) as error:
            cause = getattr(error, "reason", error)
            if isinstance(cause, socket.gaierror | ssl.SSLCertVerificationError):
                raise self.error(f"there is no way to the server ({cause})") from error
            raise _Interrupted(_network_fault(cause)) from error


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects that are no less safe; the base class catches loops."""

    def redirect_request(
        self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        _check_scheme(newurl, local=req.type == "http")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _check_scheme(url: str, local: bool = True) -> None:
    """Refuse all but https, and http on this machine if it is `local`."""
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
    raise DownloadError(f"ZOO_TIMEOUT must be a number of seconds above 0, and is {text!r}")


def _validator(response: Any) -> str:
    """What tells this version of the file from others, for If-Range; "" if there is nothing."""
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
    """A progress bar on a terminal; gives the function that moves it to (bytes, total)."""
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
    """Hold `path` alone among threads and processes; the system frees it when its holder dies."""
    told = not _is_shown(progress)
    while True:
        with path.open("ab") as file:
            while not _try_lock(file):
                if not told:
                    print(f"Waiting for another process that downloads {name}", file=sys.stderr)
                    told = True
                time.sleep(0.05)
            if not _is_at(path, file):
                continue  # its last holder has removed it
            try:
                yield
                return
            finally:
                with contextlib.suppress(OSError):  # Windows keeps what is open
                    path.unlink()


def _is_at(path: Path, file: IO[bytes]) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _try_lock(file: IO[bytes]) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True
