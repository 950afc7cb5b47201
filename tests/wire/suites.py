"""What is tried, one function each: says what came out of it, or raises Failed."""

import json
import re
import resource
import subprocess
import time

import tools
from moorline import serving
from origin import Origin


class Failed(Exception):
    """The proxy did not do what was expected of it."""


def expect(holds, message):
    if not holds:
        raise Failed(message)


def h2spec(binary, folder):
    """RFC 9113 and HPACK: every case of h2spec, plain and over TLS"""
    program = tools.go("h2spec", tools.H2SPEC)
    told = []
    with Origin() as origin, serving(binary, folder, origin.port) as moorline:
        for name, options in [("plain", [str(moorline.plain)]), ("TLS", [str(moorline.tls), "--tls", "--insecure"])]:
            done = tools.run(program, "--strict", "--host", "127.0.0.1", "--port", *options, check=False)
            total, passed, skipped, failed = map(int, re.search(
                r"(\d+) tests, (\d+) passed, (\d+) skipped, (\d+) failed", done.stdout).groups())
            expect(total >= 146 and failed == 0 and skipped <= 1, f"{name}: of {total} cases {failed} failed, {skipped} skipped\n{done.stdout[-3000:]}")
            told.append(f"{name} {passed} of {total}")
    return ", ".join(told)


def websocket(binary, folder):
    """WebSocket: the same verdicts through the proxy as without it"""
    kosoku, python = tools.python("kosoku"), tools.python("python")
    server = subprocess.Popen([python, tools.HERE / "echo.py"], stdout=subprocess.PIPE, text=True)
    try:
        port = int(server.stdout.readline())
        with serving(binary, folder, port) as moorline:
            direct, proxied = (verdicts(kosoku, folder / name, address) for name, address in
                               [("direct", port), ("proxied", moorline.plain)])
    finally:
        server.kill()
        server.wait()
    expect(len(direct) >= 240, f"only {len(direct)} cases")
    differ = {case: (direct[case], proxied.get(case)) for case in direct if direct[case] != proxied.get(case)}
    expect(not differ, f"differ: {differ}")
    return f"{len(direct)} cases, the same verdicts ({sum(good for good, _ in proxied.values())} of them good)"


def verdicts(kosoku, folder, port):
    # 9 is about speed, 12 and 13 are thousands of compressed messages, which no proxy looks at.
    unwanted = [word for group in ("9.*", "12.*", "13.*") for word in ("-x", group)]
    tools.run(kosoku, *unwanted, "-p", "4", "-o", folder, f"127.0.0.1:{port}", check=False)
    (cases,) = json.loads((folder / "index.json").read_text()).values()
    # Between these three it decides by what arrived first, which differs from run to run of the same server.
    good = ("OK", "NON-STRICT", "INFORMATIONAL")
    return {name: (case["behavior"] in good, case["behaviorClose"]) for name, case in cases.items()}


def sslyze(binary, folder):
    """TLS: Mozilla's intermediate configuration"""
    program = tools.python("sslyze")
    with Origin() as origin, serving(binary, folder, origin.port) as moorline:
        done = tools.run(program, "--mozilla_config", "intermediate", "--certinfo_ca_file", folder / "ca.pem",
                         f"localhost:{moorline.tls}", check=False)
    verdict = re.search(r"localhost:\d+: (\w+) - .*", done.stdout)
    expect(verdict and verdict.group(1) == "OK", done.stdout[-2000:])
    return verdict.group(0).split(": ", 1)[1]


def openssl(binary, folder):
    """TLS as openssl speaks it: versions, names, ALPN, tickets"""
    program = tools.debian("openssl", "openssl")
    with Origin() as origin, serving(binary, folder, origin.port) as moorline:
        def client(*options, check=True):
            done = tools.run(program, "s_client", "-connect", f"127.0.0.1:{moorline.tls}", "-servername", "localhost",
                             "-CAfile", folder / "ca.pem", *options, input="", check=False)
            expect(not check or done.returncode == 0, f"{options}: {done.stdout}{done.stderr}")
            return done.stdout + done.stderr
        for version in ("-tls1_2", "-tls1_3"):
            # TLS 1.3 hands tickets out after the handshake, to who asks for something.
            ticket, request = folder / f"ticket{version}", "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
            first = tools.run(program, "s_client", "-connect", f"127.0.0.1:{moorline.tls}", "-servername", "localhost",
                              "-CAfile", folder / "ca.pem", version, "-ign_eof", "-sess_out", ticket, input=request)
            expect("Verify return code: 0" in first.stdout and "HTTP/1.1 200" in first.stdout, first.stdout)
            again = client(version, "-sess_in", ticket)
            expect("Reused, TLS" in again, f"{version} is not resumed\n{again}")
        for protocol in ("h2", "http/1.1"):
            expect(f"ALPN protocol: {protocol}" in client("-alpn", protocol), f"ALPN {protocol}")
        expect("no protocols available" in client("-tls1_1", check=False) or "alert" in client("-tls1_1", check=False),
               "TLS 1.1 is spoken")
        refused = client("-alpn", "gopher", check=False)
        expect("alert no application protocol" in refused, refused)
    return "TLS 1.2 and 1.3 with tickets, h2 and http/1.1"


def curl(binary, folder):
    """HTTP/1.0, 1.1, 2 with and without TLS, uploads, Expect, redirects of curl"""
    program = tools.debian("curl", "curl")
    body = folder / "body"
    body.write_bytes(b"x" * 3_000_000)
    with Origin() as origin, serving(binary, folder, origin.port) as moorline:
        plain, tls = f"http://localhost:{moorline.plain}", f"https://localhost:{moorline.tls}"
        for url, options, version in [
            (plain, ["--http1.0"], "1"), (plain, ["--http1.1"], "1.1"), (plain, ["--http2"], "1.1"),
            (plain, ["--http2-prior-knowledge"], "2"), (tls, ["--http1.1"], "1.1"), (tls, ["--http2"], "2"),
        ]:
            # From a pipe its length is unknown: chunks over HTTP/1.1. Expect is what curl sends for itself with large bodies.
            for upload in ([], ["-T", body], ["-H", "Expect: 100-continue", "--data-binary", f"@{body}"]):
                if "--http1.0" in options and upload:
                    continue
                if version == "2" and "-H" in upload:
                    continue
                done = tools.run(program, "-sS", "--max-time", "20", "--cacert", folder / "ca.pem", *options, *upload,
                                 "-w", "\n%{http_code} %{http_version}", url, check=False)
                expect(done.stdout.endswith(f"\n200 {version}"), f"{url} {options} {upload[:1]}: {done.stdout[-300:]} {done.stderr}")
                if upload:
                    expect("read 3000000 bytes" in done.stdout, f"{url} {options} {upload[:1]}: {done.stdout[-300:]}")
    return "every version, every kind of body"


def h2load(binary, folder):
    """Ten thousand requests of h2load, fifty at a time on each connection"""
    program = tools.debian("h2load", "nghttp2-client")
    with Origin() as origin, serving(binary, folder, origin.port) as moorline:
        for url in (f"http://127.0.0.1:{moorline.plain}", f"https://127.0.0.1:{moorline.tls}"):
            done = tools.run(program, "-n", "10000", "-c", "4", "-m", "50", f"{url}/")
            expect("10000 succeeded, 0 failed, 0 errored, 0 timeout" in done.stdout, done.stdout)
    return "all of them answered, plain and over TLS"


def slowhttptest(binary, folder):
    """Slow heads, slow bodies, slow readers: closed within their limits, and others are served"""
    program = tools.debian("slowhttptest", "slowhttptest")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    limits = "first_byte: 2s, head: 2s, body: 2s, idle: 2s, linger: 1s, response_head: 4s"
    with Origin() as origin, serving(binary, folder, origin.port, limits) as moorline:
        common = ["-c", "400", "-r", "200", "-l", "30", "-p", "3", "-u", f"http://127.0.0.1:{moorline.plain}/large"]
        for name, options in [("heads", ["-H", "-i", "1"]), ("bodies", ["-B", "-i", "5"])]:
            done = tools.run(program, *options, *common, check=False)
            text = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", done.stdout)
            expect("No open connections left" in text, f"slow {name}: {text[-800:]}")
            expect("service available:   NO" not in text, f"slow {name}: others were not served\n{text[-800:]}")
        # A client that hardly reads does not see either that nobody writes any more: the proxy is asked instead.
        readers = ["-X", "-w", "512", "-y", "1024", "-n", "5", "-z", "32", "-k", "3"]
        process = subprocess.Popen([program, *readers, *common], stdout=subprocess.DEVNULL)
        try:
            open_now = lambda: moorline.metric("moorline_client_connections_open ")
            reaches(lambda: open_now() >= 300, f"only {open_now()} slow readers got in")
            reaches(lambda: open_now() <= 2, f"{open_now()} slow readers are still connected")
            expect(process.poll() is None, "slowhttptest ended before the proxy was asked")
        finally:
            process.kill()
            process.wait()
    return "400 each, all closed: slow heads, slow bodies, slow readers"


def reaches(holds, message):
    deadline = time.monotonic() + 25
    while not holds():
        expect(time.monotonic() < deadline, message)
        time.sleep(0.2)


ALL = {suite.__name__: suite for suite in (h2spec, websocket, sslyze, openssl, curl, h2load, slowhttptest)}
