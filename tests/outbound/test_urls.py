"""Which URLs of webhooks are refused when they are saved (R10)."""

import pytest

from cem_cases.outbound import urls

REFUSED = [
    "",
    "hooks.example.com",
    "//hooks.example.com/",
    "http://hooks.example.com/",  # not without the setting
    "http://127.0.0.1",
    "https://127.0.0.1/",
    "https://127.1/",
    "https://0x7f.1/",
    "https://0x7f000001/",
    "https://2130706433/",
    "https://0177.0.0.1/",
    "https://①②⑦.0.0.1/",
    "https://127。0。0。1/",
    "https://0/",
    "https://0.0.0.0/",
    "https://[::1]/",
    "https://[::]/",
    "https://[::ffff:7f00:1]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[64:ff9b::a9fe:a9fe]/",
    "https://[fe80::1%25eth0]/",
    "https://169.254.169.254/latest/meta-data/",
    "https://metadata.google.internal/",
    "https://localhost/",
    "https://localhost./",
    "https://a.localhost/",
    "https://intranet/",
    "https://printer.local/",
    "https://router.lan/",
    "https://nas.home.arpa/",
    "https://hooks.example.com./",
    "https://127.0.0.1\\@example.com/",
    "https://user:pw@example.com/",
    "https://user@example.com/",
    "https://@example.com/",
    "file:///etc/passwd",
    "gopher://example.com/",
    "ftp://example.com/",
    "javascript:alert(1)",
    "https://example.com:22/",
    "https://example.com:25/",
    "https://example.com:80/",  # not without the setting
    "https://example.com:6379/",
    "https://example.com:99999/",
    "https://example.com:0/",
    "https://example.com:-1/",
    "https://example.com:١٢/",
    "https://exаmple.com/",  # a Cyrillic а
    "https://exam\tple.com/",
    "https://example.com/\r\nHost: evil",
    "https://example.com/a b",
    "https://example.com/\x00",
    " https://example.com/",
    "https://example.com/#part",
    "https://exam%70le.com/",
    "https://-a.example.com/",
    "https://a..example.com/",
    "https://.example.com/",
    "https://[example.com/",
    "https:///path",
    "https:example.com",
    f"https://example.com/{'a' * 3000}",
    f"https://{'a' * 64}.example.com/",
]
TAKEN = [
    "https://hooks.example.com",
    "https://hooks.example.com/cem?x=1&y=%2F",
    "HTTPS://Hooks.Example.Com/",
    "https://hooks.example.com:443/",
    "https://hooks.example.com:8443/",
    "https://xn--exmple-cua.com/",
    "https://my_app.example.com/",
    "https://93.184.215.14/",
    "https://[2606:2800:21f:cb07:6820:80da:af6b:8b2c]/",
]


@pytest.mark.parametrize("url", REFUSED)
def test_refused_with_a_sentence_that_does_not_repeat_it(url):
    said = urls.problem(url)

    assert said
    assert len(said) < 200


@pytest.mark.parametrize("url", TAKEN)
def test_taken(url):
    assert urls.problem(url) == ""


def test_http_is_taken_where_the_site_allows_it():
    assert urls.problem("http://hooks.example.com/", allow_http=True) == ""
    assert urls.problem("http://example.com:80/", allow_http=True) == ""
    assert urls.problem("http://127.0.0.1/", allow_http=True)


def test_where_a_url_leads():
    target = urls.target("https://Hooks.example.com:8443/cem?x=1")

    assert (target.scheme, target.host, target.port, target.path) == (
        *("https", "hooks.example.com", 8443, "/cem?x=1"),
    )
    assert target.authority == "hooks.example.com:8443"
    assert urls.target("https://[2606:2800::1]").authority == "[2606:2800::1]"
    assert urls.target("https://a.example").path == "/"
