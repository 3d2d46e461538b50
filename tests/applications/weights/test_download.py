"""Downloads against a loopback server that does everything wrong."""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import io
import os
import random
import re
import shutil
import signal
import ssl
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from applications.weights import download
from applications.weights.download import DownloadError, fetch
from zoo.common.files import cache_dir

DATA = random.Random(0).randbytes(3_000_001)
SIZE = len(DATA)
HALF = SIZE // 2
SHA = hashlib.sha256(DATA).hexdigest()
OTHER = random.Random(1).randbytes(len(DATA))
FINAL = f"{SHA[:8]}-tiny.npz"
PARTIAL = f".{FINAL}.part"


# What the server can do with a request; each is given the handler.


def serve(data=DATA, *, cut=None, stall=None, ranges=True, length=True, pace=0.0, etag='"1"'):
    """Serve `data`: cut off or silent after so many bytes, without ranges, length, or haste."""

    def answer(handler):
        start, asked = 0, re.match(r"bytes=(\d+)-", handler.headers.get("Range", ""))
        if asked and ranges and handler.headers.get("If-Range", etag) == etag:
            start = int(asked[1])
            if start >= len(data):
                return status(416)(handler)
            handler.send_response(206)
            handler.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        else:
            handler.send_response(200)
        if length:
            handler.send_header("Content-Length", str(len(data) - start))
        if etag:
            handler.send_header("ETag", etag)
        handler.end_headers()
        stop = min(x for x in (cut, stall, len(data)) if x is not None)
        for i in range(start, stop, 2**18):
            handler.wfile.write(data[i : min(i + 2**18, stop)])
            time.sleep(pace)
        if stall is not None:
            handler.server.closing.wait(20)

    return answer


def status(code, **headers):
    def answer(handler):
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.end_headers()

    return answer


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        with self.server.lock:
            self.server.requests.append((self.path, dict(self.headers)))
            plan = self.server.plan
            answer = plan.pop(0) if len(plan) > 1 else plan[0]
        with contextlib.suppress(ConnectionError):
            answer(self)

    def log_message(self, *args):
        pass


class Server(http.server.ThreadingHTTPServer):
    """Answers each request by the next entry of `plan`, and by its last one from then on."""

    request_queue_size = 64

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.plan, self.requests = [serve()], []
        self.lock, self.closing = threading.Lock(), threading.Event()
        self.base = f"http://127.0.0.1:{self.server_port}"
        self.url = f"{self.base}/models/tiny.npz?download=true"

    def ranges(self):
        """The ranges that were asked for, one a request."""
        return [headers.get("Range") for _, headers in self.requests]

    def handle_error(self, request, client_address):
        pass


@pytest.fixture
def server():
    server = Server()
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server
    server.closing.set()
    server.shutdown()
    server.server_close()


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A cache of its own, no waiting; and after each test no file but the right one."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name.startswith("ZOO_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(download, "BACKOFF", 0.01)
    yield tmp_path / "cache"
    for path in (tmp_path / "cache").glob("[!.]*"):
        assert path.name == FINAL
        assert path.read_bytes() == DATA
    assert not list((tmp_path / "cache").glob("*.lock"))


def get(server, sha256=SHA, **options):
    return fetch(server.url, sha256=sha256, progress=False, **options)


def hidden(cache):
    return sorted(path.name for path in cache.glob(".*"))


# What goes well.


def test_download_then_cache(server, cache):
    path = get(server)
    assert path == cache / FINAL
    assert path.read_bytes() == DATA
    assert not hidden(cache)
    assert get(server) == path
    assert len(server.requests) == 1
    assert server.requests[0][0] == "/models/tiny.npz?download=true"


@pytest.mark.parametrize(
    "published",
    [SHA, SHA[:8], SHA[:12].upper(), f"sha256:{SHA}", f"sha256:{SHA[:32]}"],
)
def test_hashes_as_published(server, cache, published):
    assert get(server, published) == cache / FINAL


def test_md5(server, tmp_path, monkeypatch):
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "md5"))
    md5 = hashlib.md5(DATA).hexdigest()
    assert get(server, f"md5:{md5}").name == f"{md5[:8]}-tiny.npz"
    with pytest.raises(DownloadError, match=f"its md5 is {md5}, not {'0' * 32}"):
        get(server, f"md5:{'0' * 32}")


@pytest.mark.parametrize("text", ["", SHA[:7], SHA + "0", SHA[:32], "md5:" + SHA, "sha1:" + SHA])
def test_bad_hash(server, text):
    with pytest.raises(ValueError, match="sha256 must be"):
        get(server, text)
    assert not server.requests


@pytest.mark.parametrize("name", ["", "..", "../x.npz", "a/b.npz", "a\\b.npz", ".x", "/etc/x"])
def test_bad_name(server, name):
    with pytest.raises(ValueError, match="name must be the name of a file"):
        get(server, name=name)


def test_names_are_unique_and_plain(server, cache):
    server.url = f"{server.base}/resolve/a%2Fb/%2e%2e/tiny.npz"
    assert get(server).name == FINAL
    assert get(server, name=f"x-{SHA[:8]}.npz").name == f"x-{SHA[:8]}.npz"  # it says which it is
    (cache / f"x-{SHA[:8]}.npz").unlink()
    with pytest.raises(ValueError, match="name must be the name of a file"):
        fetch(f"{server.base}/models/", sha256=SHA)


def test_cache_dir(monkeypatch):
    assert cache_dir().name == "cache"
    monkeypatch.setenv("ZOO_CACHE", "~/weights")
    assert cache_dir() == Path.home() / "weights"
    monkeypatch.delenv("ZOO_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cache_dir() == Path("/somewhere/keras-modelzoo").absolute()
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_dir().name == "keras-modelzoo"


def test_no_length_given(server):
    server.plan = [serve(length=False)]
    assert get(server).read_bytes() == DATA


def test_empty_file(server, tmp_path, monkeypatch):
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "empty"))
    server.plan = [serve(b"")]
    assert get(server, hashlib.sha256(b"").hexdigest()).read_bytes() == b""


# Damage in the cache.


@pytest.mark.parametrize("damaged", [DATA[:HALF], OTHER, b""])
def test_damaged_cached_file_is_replaced(server, cache, damaged):
    cache.mkdir()
    (cache / FINAL).write_bytes(damaged)
    assert get(server).read_bytes() == DATA


def test_damage_with_the_old_times_is_seen(server):
    path = get(server)
    before = path.stat()
    path.write_bytes(OTHER)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert get(server).read_bytes() == DATA


# Interruptions.


def test_cut_off_midway_resumes(server, cache):
    server.plan = [serve(cut=HALF), serve(cut=HALF + 500_000), serve()]
    assert get(server).read_bytes() == DATA
    assert server.ranges() == [None, f"bytes={HALF}-", f"bytes={HALF + 500_000}-"]
    assert server.requests[1][1]["If-Range"] == '"1"'
    assert not hidden(cache)


def test_many_cuts_that_bring_something_each(server):
    server.plan = [serve(cut=n) for n in range(200_000, SIZE, 200_000)] + [serve()]
    assert get(server).read_bytes() == DATA
    assert len(server.requests) == SIZE // 200_000 + 1


def test_cut_off_for_ever_keeps_the_partial_file(server, cache):
    server.plan = [serve(cut=HALF)]
    with pytest.raises(DownloadError, match=rf"cut off at {HALF} of .* 4 times.* are kept") as info:
        get(server)
    assert server.url in str(info.value)
    assert str(cache / FINAL) in str(info.value)
    assert (cache / PARTIAL).read_bytes() == DATA[:HALF]
    server.plan = [serve()]
    assert get(server).read_bytes() == DATA
    assert server.ranges()[-1] == f"bytes={HALF}-"


def test_cut_off_without_a_length(server):
    server.plan = [serve(cut=HALF, length=False), serve()]
    assert get(server).read_bytes() == DATA


def test_cut_off_in_a_chunk(server):
    def chunked(handler):
        handler.protocol_version = "HTTP/1.1"
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        handler.wfile.write(b"%x\r\n" % SIZE + DATA[:HALF])
        handler.close_connection = True

    server.plan = [chunked, serve()]
    assert get(server).read_bytes() == DATA
    assert server.ranges() == [None, f"bytes={HALF}-"]


def test_server_that_ignores_ranges(server):
    server.plan = [serve(cut=HALF), serve(ranges=False)]
    assert get(server).read_bytes() == DATA
    assert server.ranges() == [None, f"bytes={HALF}-"]


def test_server_that_ignores_ranges_and_cuts_off_ends(server, cache):
    server.plan = [serve(cut=HALF, ranges=False)]
    with pytest.raises(DownloadError, match="4 times"):
        get(server)
    assert len(server.requests) == 1 + download.ATTEMPTS


def test_file_that_changed_while_it_was_fetched(server):
    server.plan = [serve(OTHER, cut=HALF, etag='"old"'), serve(etag='"new"')]
    assert get(server).read_bytes() == DATA
    assert len(server.requests) == 2  # If-Range made the server start again


@pytest.mark.parametrize("etag", ["", 'W/"weak"'])
def test_file_that_changed_unseen(server, etag):
    server.plan = [serve(OTHER, cut=HALF, etag=etag), serve(etag=etag)]
    assert get(server).read_bytes() == DATA
    assert server.ranges() == [None, f"bytes={HALF}-", None]
    assert "If-Range" not in server.requests[1][1]


def test_another_part_than_asked_for(server):
    def beginning(handler):
        handler.send_response(206)
        handler.send_header("Content-Range", f"bytes 0-{SIZE - 1}/{SIZE}")
        handler.send_header("Content-Length", str(SIZE))
        handler.end_headers()
        handler.wfile.write(DATA)

    server.plan = [serve(cut=HALF), beginning, serve()]
    assert get(server).read_bytes() == DATA


@pytest.mark.parametrize("validator", [b"", b"\0" * 9, b"a\r\nHost: b", "\u20ac".encode(), b'"1"'])
def test_any_validator_that_was_left(server, cache, validator):
    cache.mkdir()
    (cache / PARTIAL).write_bytes(DATA[:HALF])
    (cache / f".{FINAL}.etag").write_bytes(validator)
    assert get(server).read_bytes() == DATA
    assert server.ranges() == [f"bytes={HALF}-"]
    assert ("If-Range" in server.requests[0][1]) == (validator == b'"1"')
    assert not hidden(cache)


@pytest.mark.parametrize("partial", [DATA, DATA + b"more", OTHER, OTHER[:HALF], b""])
def test_any_partial_file_that_was_left(server, cache, partial):
    cache.mkdir()
    (cache / PARTIAL).write_bytes(partial)
    assert get(server).read_bytes() == DATA
    assert bool(server.requests) == (partial != DATA)
    assert not hidden(cache)


@pytest.mark.parametrize("stall", [0, HALF])
def test_stall(server, cache, monkeypatch, stall):
    monkeypatch.setenv("ZOO_TIMEOUT", "0.2")
    server.plan = [serve(stall=stall), serve()]
    assert get(server).read_bytes() == DATA
    assert server.ranges() == [None, f"bytes={stall}-" if stall else None]


def test_stall_for_ever(server, monkeypatch):
    monkeypatch.setenv("ZOO_TIMEOUT", "0.1")
    server.plan = [lambda handler: handler.server.closing.wait(20)]  # not even a status line
    with pytest.raises(DownloadError, match=r"nothing for 0\.1 s \(ZOO_TIMEOUT\), 4 times"):
        get(server)
    assert len(server.requests) == 4


@pytest.mark.parametrize("text", ["soon", "0", "-1", "nan"])
def test_bad_timeout(server, monkeypatch, text):
    monkeypatch.setenv("ZOO_TIMEOUT", text)
    with pytest.raises(DownloadError, match="ZOO_TIMEOUT must be"):
        get(server)


# Wrong files.


@pytest.mark.parametrize("data", [OTHER, DATA[:-1], DATA + b"x", b"<html>Log in first</html>"])
@pytest.mark.parametrize("length", [True, False])
def test_wrong_hash(server, cache, data, length):
    server.plan = [serve(data, length=length)]
    found = hashlib.sha256(data).hexdigest()
    with pytest.raises(DownloadError, match=f"its sha256 is {found}, not {SHA}"):
        get(server)
    assert len(server.requests) == 2
    assert not list(cache.iterdir())


def test_wrong_hash_once(server):
    server.plan = [serve(OTHER), serve()]
    assert get(server).read_bytes() == DATA


# Answers that are not the file.


@pytest.mark.parametrize("code", [401, 403, 404, 410])
def test_refusals_are_not_tried_again(server, cache, code):
    server.plan = [status(code)]
    with pytest.raises(DownloadError, match=rf"{re.escape(server.url)}: the server answers {code}"):
        get(server)
    assert len(server.requests) == 1
    assert not list(cache.iterdir())


@pytest.mark.parametrize("code", [429, 500, 503])
def test_passing_errors_are_tried_again(server, code):
    server.plan = [status(code), status(code), serve()]
    assert get(server).read_bytes() == DATA


def test_errors_that_do_not_pass(server):
    server.plan = [status(500)]
    with pytest.raises(DownloadError, match=r"answers 500, Internal Server Error, 4 times"):
        get(server)
    assert len(server.requests) == download.ATTEMPTS


def test_connection_refused_and_closed(server):
    server.plan = [lambda handler: None, serve()]  # closed without a word
    assert get(server).read_bytes() == DATA
    url = "http://127.0.0.1:9/nobody.npz"
    with pytest.raises(DownloadError, match=r"the connection failed .*refused.*4 times"):
        fetch(url, sha256=SHA)


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_redirects_keep_the_range(server, code):
    server.plan = [
        status(code, Location="/elsewhere"),
        serve(cut=HALF),
        status(code, Location="/elsewhere"),
        serve(),
    ]
    assert get(server).name == FINAL
    assert server.ranges() == [None, None, f"bytes={HALF}-", f"bytes={HALF}-"]


def test_redirect_loop(server):
    server.plan = [status(302, Location=server.url)]
    with pytest.raises(DownloadError, match="infinite loop"):
        get(server)
    assert len(server.requests) < 12


def test_endless_redirects(server):
    def onward(handler):
        status(302, Location=f"/{len(handler.server.requests)}")(handler)

    server.plan = [onward]
    with pytest.raises(DownloadError, match="infinite loop"):
        get(server)
    assert len(server.requests) < 12


@pytest.mark.parametrize(
    "target", ["file:///etc/passwd", "ftp://127.0.0.1/x", "data:,x", "http://example.org/tiny.npz"]
)
def test_redirect_to_what_is_not_safe(server, target):
    server.plan = [status(302, Location=target)]
    with pytest.raises(DownloadError, match=r"not allowed|only https is accepted"):
        get(server)


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/tiny.npz",
        "ftp://example.org/tiny.npz",
        "http://example.org/tiny.npz",
        "tiny.npz",
    ],
)
def test_schemes(url):
    with pytest.raises(DownloadError, match="only https is accepted"):
        fetch(url, sha256=SHA)


@pytest.mark.parametrize("url", ["https://[::1/tiny.npz", "https://x:port/tiny.npz"])
def test_urls_that_are_none(url):
    with pytest.raises((DownloadError, ValueError), match=r"not a valid URL|Invalid IPv6 URL"):
        fetch(url, sha256=SHA)


def test_unknown_host(server):
    with pytest.raises(DownloadError, match="the server cannot be reached"):
        fetch("https://nowhere.invalid/tiny.npz", sha256=SHA)


def test_proxy(server, monkeypatch):
    monkeypatch.setenv("http_proxy", server.base)
    url = "http://127.0.0.1:9/tiny.npz"
    assert fetch(url, sha256=SHA).read_bytes() == DATA
    assert server.requests[0][0] == url


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl makes the certificate")
def test_https(server, tmp_path, monkeypatch):
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    command += " -subj /CN=localhost -addext subjectAltName=DNS:localhost"
    files = ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*command.split(), *files], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    plain = server.url.replace("127.0.0.1", "localhost")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.url = plain.replace("http:", "https:")
    with pytest.raises(DownloadError, match=r"the server cannot be reached .*certificate"):
        get(server)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    server.plan = [status(302, Location=plain)]
    with pytest.raises(DownloadError, match="only https is accepted"):  # no way down
        get(server)
    server.plan = [serve(cut=HALF), serve()]
    assert get(server).read_bytes() == DATA


# Offline.


def test_offline(server, cache, monkeypatch):
    monkeypatch.setenv("ZOO_OFFLINE", "1")
    with pytest.raises(DownloadError, match="ZOO_OFFLINE is set") as info:
        get(server)
    assert server.url in str(info.value)
    assert str(cache / FINAL) in str(info.value)
    cache.mkdir()
    (cache / FINAL).write_bytes(OTHER)
    with pytest.raises(DownloadError, match="damaged in the cache, and ZOO_OFFLINE is set"):
        get(server)
    assert (cache / FINAL).read_bytes() == OTHER  # somebody may have put it there
    (cache / FINAL).write_bytes(DATA)
    assert get(server) == cache / FINAL
    assert not server.requests
    monkeypatch.setenv("ZOO_OFFLINE", "0")
    (cache / FINAL).unlink()
    assert get(server) == cache / FINAL


# The disk.


def test_too_little_space(server, cache, monkeypatch):
    usage = shutil.disk_usage(cache.parent)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=SIZE - 1))
    with pytest.raises(DownloadError, match=r"3000001 bytes are missing.* set ZOO_CACHE"):
        get(server)
    assert not list(cache.iterdir())


def test_full_disk(server, cache):
    """A limit on the size of files makes the system refuse the write midway."""
    pytest.importorskip("resource")
    before = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))"
    process = start(server, before=before)
    _, errors = process.communicate(timeout=20)
    assert "DownloadError" in errors
    assert "full or failing (File too large), so the partial file was removed" in errors
    assert not list(cache.iterdir())


def test_cache_that_is_no_folder(server, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(DownloadError, match=r"cannot be used \(Not a directory\); set ZOO_CACHE"):
        get(server)
    assert not server.requests


def test_read_only_cache(server, cache, monkeypatch):
    """Also as root, whom permissions do not bind: opening for writing fails as it would there."""
    cache.mkdir()
    real = os.open

    def refuse(path, flags, *args, **options):
        if flags & (os.O_WRONLY | os.O_RDWR):
            raise OSError(30, "Read-only file system", str(path))
        return real(path, flags, *args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refuse)
        with pytest.raises(DownloadError, match=r"\(Read-only file system\); set ZOO_CACHE"):
            get(server)
        assert not server.requests
    (cache / FINAL).write_bytes(DATA)
    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refuse)
        assert get(server) == cache / FINAL  # what is there can be used


def test_folder_in_the_way(server, tmp_path, monkeypatch):
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "odd"))
    (tmp_path / "odd" / FINAL).mkdir(parents=True)
    with pytest.raises(DownloadError, match="cannot be used"):
        get(server)


# Processes and threads.

RUN = """
    import importlib.util, sys
    spec = importlib.util.spec_from_file_location("download", {file!r})
    download = sys.modules["download"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(download)
    {before}
    print(download.fetch({url!r}, sha256={sha!r}))
"""


def start(server, before=""):
    """Fetch in a process of its own, which imports nothing else."""
    program = textwrap.dedent(RUN).format(
        file=download.__file__, before=before, url=server.url, sha=SHA
    )
    return subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def wait_for(condition, seconds=15.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def wait_for_half(cache):
    wait_for(lambda: is_there(cache / PARTIAL, HALF - 2**17))


def kill_when(process, path, size):
    """Kill a process as soon as a file has so many bytes, if it is not over before."""
    wait_for(lambda: is_there(path, size) or process.poll() is not None)
    process.kill()
    process.communicate()


def is_there(path, size):
    """Whether a file has so many bytes."""
    return path.exists() and path.stat().st_size >= size


def test_two_processes(server, cache):
    server.plan = [serve(pace=0.1)]
    processes = [start(server), start(server)]
    for process in processes:
        output, errors = process.communicate(timeout=20)
        assert output.strip() == str(cache / FINAL), errors
        assert not errors  # and silent, as this is no terminal
    assert len(server.requests) == 1
    assert not hidden(cache)


def test_many_threads(server, cache):
    server.plan = [serve(cut=HALF, pace=0.02), serve()]
    found = []
    threads = [threading.Thread(target=lambda: found.append(get(server))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert found == [cache / FINAL] * 8
    assert server.ranges() == [None, f"bytes={HALF}-"]
    assert not hidden(cache)


def test_one_at_a_time_holds_the_lock(tmp_path):
    """Also when its holders remove it, as they do, while others wait for it."""
    inside, most = [], []

    def work():
        for _ in range(10):
            with download._lock(tmp_path / "x.lock", "x", False):
                inside.append(1)
                most.append(len(inside))
                time.sleep(0.002)
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert most == [1] * 60
    assert not list(tmp_path.glob("x*"))


def test_kill_then_the_waiting_one_resumes(server, cache):
    server.plan = [serve(stall=HALF), serve()]
    process = start(server)
    wait_for_half(cache)
    found = []
    waiting = threading.Thread(target=lambda: found.append(get(server)))
    waiting.start()
    assert not found
    process.kill()
    process.communicate()
    waiting.join(20)
    assert found == [cache / FINAL]
    offset = int(re.fullmatch(r"bytes=(\d+)-", server.ranges()[1])[1])
    assert HALF - 2**17 <= offset <= HALF
    assert len(server.requests) == 2
    assert not hidden(cache)


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_keyboard_interrupt_keeps_the_partial_file(server, cache):
    server.plan = [serve(stall=HALF), serve()]
    # what a shell starts in the background ignores it, and so do its children
    listening = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    process = start(server, listening)
    wait_for_half(cache)
    process.send_signal(signal.SIGINT)
    assert "KeyboardInterrupt" in process.communicate(timeout=20)[1]
    assert (cache / PARTIAL).read_bytes() == DATA[:HALF]
    assert get(server) == cache / FINAL
    assert server.ranges() == [None, f"bytes={HALF}-"]


def test_killed_at_any_moment(server, cache):
    server.plan = [serve(pace=0.02)]
    partial, sizes = cache / PARTIAL, random.Random(0)
    for _ in range(8):
        kill_when(start(server), partial, sizes.randrange(SIZE))
        final = cache / FINAL
        assert not final.exists() or final.read_bytes() == DATA
        if final.exists():
            final.unlink()
    assert get(server).read_bytes() == DATA


# The bar.


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_progress_on_a_terminal_alone(server, monkeypatch, capsys):
    get(server)
    fetch(server.url, sha256=SHA, progress=True)
    assert capsys.readouterr() == ("", "")
    (cache_dir() / FINAL).unlink()
    terminal = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr(sys, "stderr", terminal)
    fetch(server.url, sha256=SHA, progress=True)
    assert FINAL in terminal.getvalue()
    assert "3.0/3.0 MB" in terminal.getvalue()
