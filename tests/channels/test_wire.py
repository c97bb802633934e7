"""One POST to whoever is there: where it goes, and what cannot come of it."""

import http.client
import shutil
import socket
import ssl
import subprocess
import time

import pytest

from cem_cases.channels.wire import MOST_KEPT, Refused, Wire
from tests.receivers import answers, drips, hangs, loopback, receiver

OK = b"HTTP/1.1 200 OK\r\n"


def post(to, wire=None, **headers):
    return (wire or loopback()).post(to.url, b"{}", headers, allow_http=True)


def took(started, limit):
    seconds = time.monotonic() - started
    assert seconds < limit, seconds


def test_it_posts_and_returns_what_was_said():
    with receiver(answers(201, b"made")) as to:
        answer = post(to, **{"webhook-id": "msg_1"})

    assert (answer.status, answer.body) == (201, "made")
    ((line, headers, body),) = to.requests
    assert (line, body) == ("POST /hook HTTP/1.1", b"{}")
    assert headers["host"] == f"receiver.example:{to.port}"
    assert headers["webhook-id"] == "msg_1"
    assert headers["content-length"] == "2"


# Where it goes


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "100.64.0.1"]
)
def test_a_name_that_leads_inward_is_refused(address):
    asked = []

    def look_up(host, port):
        asked.append(host)
        return [(socket.AF_INET, (address, port))]

    with pytest.raises(Refused, match="public internet"):
        Wire(look_up=look_up).post("https://evil.example.com/", b"{}", {})
    assert asked == ["evil.example.com"]


def test_one_address_inward_among_public_ones_is_enough():
    def look_up(host, port):
        return [
            (socket.AF_INET, ("93.184.215.14", port)),
            (socket.AF_INET6, ("::1", port, 0, 0)),
        ]

    with pytest.raises(Refused):
        Wire(look_up=look_up).post("https://evil.example.com/", b"{}", {})


def test_a_name_without_addresses_is_refused():
    with pytest.raises(Refused):
        Wire(look_up=lambda host, port: []).post("https://e.example.com/", b"", {})


def test_a_url_that_was_changed_around_the_admin_is_refused():
    with pytest.raises(Refused, match="https"):
        Wire().post("http://hooks.example.com/", b"{}", {})
    with pytest.raises(Refused, match="public"):
        Wire().post("https://127.0.0.1/", b"{}", {})


def test_a_name_that_leads_elsewhere_a_moment_later_changes_nothing():
    """DNS rebinding: it is asked once, and the connection goes to what was checked."""
    with receiver() as public, receiver() as inside:
        found = iter([public.port, inside.port])
        checked = []

        def look_up(host, port):
            return [(socket.AF_INET, ("127.0.0.1", next(found)))]

        answer = post(
            public,
            loopback(look_up=look_up, is_public=lambda a: not checked.append(a)),
        )

    assert answer.status == 200
    assert checked == ["127.0.0.1"]
    assert (len(public.requests), len(inside.requests)) == (1, 0)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(status):
    with receiver() as inside:
        location = f"http://127.0.0.1:{inside.port}/"
        with receiver(answers(status, b"", Location=location)) as to:
            assert post(to).status == status

        assert inside.requests == []


def test_proxies_of_the_environment_are_not_used(monkeypatch):
    with receiver() as proxy, receiver() as to:
        for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        post(to)

    assert (len(proxy.requests), len(to.requests)) == (0, 1)


def test_the_next_address_is_tried_where_one_does_not_answer():
    with receiver() as to:

        def look_up(host, port):
            closed = socket.create_server(("127.0.0.1", 0))
            dead = closed.getsockname()
            closed.close()
            return [(socket.AF_INET, dead), (socket.AF_INET, ("127.0.0.1", port))]

        assert post(to, loopback(look_up=look_up)).status == 200


# What cannot come of it


@pytest.mark.parametrize(
    "manners",
    [
        hangs,
        drips(),
        drips(b"HTTP/1.1 "),
        drips(OK, b"X-Header: 1\r\n"),
        drips(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
    ids=["hangs", "drips", "drips status", "drips headers", "drips 100s"],
)
def test_a_dripping_server_holds_it_no_longer_than_the_deadline(manners):
    started = time.monotonic()
    with receiver(manners) as to, pytest.raises((OSError, http.client.HTTPException)):
        post(to, loopback(seconds=0.5))

    took(started, 1.5)


def test_a_dripping_body_leaves_what_the_status_said():
    started = time.monotonic()
    with receiver(drips(OK + b"Content-Length: 100000\r\n\r\n")) as to:
        answer = post(to, loopback(seconds=0.5))

    took(started, 1.5)
    assert answer.status == 200
    assert answer.body.startswith("xx")


@pytest.mark.parametrize(
    "drop",
    [
        b"X-Header: " + b"1" * 1000 + b"\r\n",
        b"1" * 65_536,
        b"HTTP/1.1 100 Continue\r\n\r\n" * 1000,
    ],
    ids=["endless headers", "endless line", "endless 100s"],
)
def test_endless_headers_end_early(drop):
    started = time.monotonic()
    first = b"" if drop.startswith(b"HTTP") else OK
    with (
        receiver(drips(first, drop, pause=0)) as to,
        pytest.raises((OSError, http.client.HTTPException)),
    ):
        post(to)

    took(started, 1.5)


@pytest.mark.parametrize(
    "head",
    [b"Content-Length: 1073741824\r\n\r\n", b"\r\n", b"Content-Length: -1\r\n\r\n"],
    ids=["length", "until the end", "lying"],
)
def test_of_a_body_of_a_gigabyte_the_beginning_is_read(head):
    started = time.monotonic()
    with receiver(drips(OK + head, b"y" * 65_536, pause=0)) as to:
        answer = post(to)

    took(started, 1.5)
    assert answer.body == "y" * MOST_KEPT


def test_a_chunked_body_is_put_together():
    body = b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    said = OK + b"Transfer-Encoding: chunked\r\n\r\n" + body
    with receiver(lambda connection: connection.sendall(said)) as to:
        assert post(to).body == "abcde"


@pytest.mark.parametrize(
    "said",
    [b"", b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 abc\r\n\r\n", b"\x00" * 100],
    ids=["closes", "ssh", "no status", "zeros"],
)
def test_what_is_no_answer_is_an_error(said):
    with (
        receiver(lambda connection: connection.sendall(said)) as to,
        pytest.raises((OSError, http.client.HTTPException)),
    ):
        post(to)


def test_a_body_is_text_that_a_database_takes():
    with receiver(answers(200, b"a\x00\xff")) as to:
        assert post(to).body == "a\ufffd\ufffd"


def test_tls_is_asked_for_the_name_and_refused_without_a_certificate():
    with receiver(hangs) as to, pytest.raises((ssl.SSLError, OSError)):
        loopback(seconds=0.5).post(f"https://receiver.example:{to.port}/", b"", {})


def test_a_site_has_the_wire_that_checks():
    wire = Wire()

    assert not wire.is_public("127.0.0.1")
    assert wire.problem("http://example.com/")
    assert wire.context.verify_mode == ssl.CERT_REQUIRED
    assert wire.context.check_hostname
    assert wire.seconds == 20


# TLS, in earnest


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate for receiver.example, and its key, in one file."""
    if not shutil.which("openssl"):
        pytest.skip("no openssl to make a certificate with")
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=x -addext"
    name = "subjectAltName=DNS:receiver.example"
    files = ["-out", str(cert), "-keyout", str(key)]
    subprocess.run([*command.split(), name, *files], check=True, capture_output=True)
    return cert, key


@pytest.fixture
def tls(certificate):
    """A receiver that speaks TLS; `asked` are the names for which it was asked."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(*certificate)
    asked = []
    server.sni_callback = lambda connection, name, context: asked.append(name)

    def behave(connection):
        with server.wrap_socket(connection, server_side=True) as wrapped:
            wrapped.recv(65536)
            wrapped.sendall(OK + b"Content-Length: 2\r\n\r\nok")

    with receiver(behave, reads=False) as made:
        made.asked = asked
        yield made


def trusting(certificate, **fields):
    return loopback(context=ssl.create_default_context(cafile=certificate[0]), **fields)


def test_tls_goes_to_the_checked_address_under_the_name_of_the_host(certificate, tls):
    url = f"https://receiver.example:{tls.port}/hook"

    answer = trusting(certificate).post(url, b"{}", {})

    assert (answer.status, answer.body) == (200, "ok")
    assert tls.asked == ["receiver.example"]


def test_a_certificate_of_another_name_is_refused(certificate, tls):
    with pytest.raises(ssl.SSLCertVerificationError):
        trusting(certificate).post(f"https://other.example:{tls.port}/", b"{}", {})


def test_a_certificate_that_nobody_vouches_for_is_refused(tls):
    with pytest.raises(ssl.SSLCertVerificationError):
        loopback().post(f"https://receiver.example:{tls.port}/", b"{}", {})
