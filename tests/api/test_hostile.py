"""What attackers and broken programs send: each is refused, and nothing is written.

The ids are those of the list of hostile inputs (A1 to A24, D11 to D13).
"""

import gzip
import io
import json

import pytest
from django.core.handlers.wsgi import WSGIRequest
from django.urls import resolve
from rest_framework.authtoken.models import Token

from cem_cases.api.permissions import VERBS
from cem_cases.models import Response
from tests import make

CANARY = "kilimanjaro"


def given(**fields):
    return json.dumps({"survey": "nps", "comment": CANARY} | fields).encode()


def raw(field: bytes) -> bytes:
    return b'{"survey": "nps", "comment": "kilimanjaro", ' + field + b"}"


BODIES = [
    ("A1", given(comment=f"{CANARY}\x00"), "comment"),
    ("A1 escape", given(comment=f"{CANARY}\x1b[31m"), "comment"),
    ("A1 surrogate", given(comment=f"{CANARY}\ud800"), "comment"),
    ("A2", given(answers={"a": f"{CANARY}\x00"}), "answers"),
    ("A2 name", given(answers={f"{CANARY}\x00": 1}), None),
    ("A3", given(answers={"a": "\ud800"}), "answers"),
    ("A3 name", given(answers={"\ud800": 1}), None),
    ("A3 unknown", given(**{"\ud800": 1}), None),
    ("A4", raw(b'"answers": ' + b"[" * 100_000 + b"]" * 100_000), None),
    ("A4 33 deep", raw(b'"answers": ' + b'{"a":' * 33 + b"1" + b"}" * 33), "answers"),
    ("A4 900 deep", raw(b'"score": ' + b"[" * 900 + b"]" * 900), "score"),
    ("A4 2,001 nodes", given(answers={"a": [0] * 2000}), "answers"),
    ("A6 NaN", raw(b'"score": NaN'), None),
    ("A6 Infinity", raw(b'"weight": -Infinity'), None),
    ("A6 1e999", raw(b'"score": 1e999'), None),
    ("A6 fraction", raw(b'"score": 1.5'), "score"),
    ("A6 whole fraction", raw(b'"score": 1.0'), "score"),
    ("A6 true", raw(b'"score": true'), "score"),
    ("A7", raw(b'"score": ' + b"9" * 5000), None),
    ("A7 30 digits", raw(b'"score": ' + b"9" * 30), "score"),
    ("A7 in answers", raw(b'"answers": {"a": ' + b"9" * 40 + b"}"), None),
    ("A9", raw(b'"score": 0, "score": 10'), "score"),
    ("A10 list", b"[1]", None),
    ("A10 text", b'"kilimanjaro"', None),
    ("A10 null", b"null", None),
    ("A10 number", b"7", None),
    ("A10 empty", b"", "survey"),
    ("A10 blank", b"  ", None),
    ("A10 object", b"{}", "survey"),
    ("A11 Latin-1", '{"survey": "nps", "comment": "é"}'.encode("latin-1"), None),
    ("A11 UTF-16", given().decode().encode("utf-16"), None),
    ("A11 BOM", b"\xef\xbb\xbf" + given(), None),
    ("A11 gzip", gzip.compress(given()), None),
    ("A14", given(is_admin=True, team_id=1, version=2), "team_id"),
    ("A14 customer", given(customer={"id": 1}), "customer.id"),
    ("A14 long name", given(**{"x" * 50_000: 1}), "x" * 200),
    ("A14 many names", given(**{f"f{n}": n for n in range(9_000)}), "f0"),
    ("A17 9999", given(answered_at="9999-12-31T23:59:59+14:00"), "answered_at"),
    ("A17 0001", given(answered_at="0001-01-01T00:00:00+14:00"), "answered_at"),
    ("A17 naive", given(answered_at="2026-02-03T10:00:00"), "answered_at"),
    ("A17 no such day", given(answered_at="2026-02-30T10:00:00Z"), "answered_at"),
    ("A17 year 10000", given(answered_at="10000-01-01T00:00:00Z"), "answered_at"),
    ("A17 epoch", given(answered_at=1_700_000_000_000), "answered_at"),
    ("A19 long", given(comment=CANARY * 1000), "comment"),
    ("A19 identities", given(customer={"identities": [[]]}), "customer.identities"),
    ("A19 customer", given(customer=CANARY), "customer"),
]


@pytest.mark.parametrize(
    ("body", "field"), [row[1:] for row in BODIES], ids=[row[0] for row in BODIES]
)
def test_a_hostile_response_is_refused(sender, fingerprint, caplog, body, field):
    before = fingerprint()

    answered = sender(body)

    said = answered.json()
    assert (answered.status_code, said["status"]) == (400, 400)
    assert answered["Content-Type"] == "application/problem+json"
    if field:
        assert said["errors"][field]
    assert CANARY not in answered.content.decode() + caplog.text
    assert len(answered.content) < 10_000
    assert fingerprint() == before


STRANGE = [
    "😀" * 10_000,
    "\u0301" * 10_000,  # nothing but combining marks
    "abc \u202e evil \u200b\u200d",
    "line\r\nend\ttab",
    "'; DROP TABLE cem_cases_case; --",
    "=HYPERLINK(1)",
    "<script>alert(1)</script>",
    "\ufffe\uffff",
]


@pytest.mark.parametrize("comment", STRANGE)
def test_strange_text_is_stored_as_it_was_sent(sender, comment):
    answered = sender(make.answer(comment=comment))

    assert answered.status_code == 201
    assert Response.objects.get().comment == comment


@pytest.mark.parametrize(
    ("length", "status", "code"),
    [
        (256 * 1024, 400, "malformed"),  # so much is read, and found to be no JSON
        (256 * 1024 + 1, 413, "too_large"),
        (10_000_000, 413, "too_large"),
    ],
)
def test_a_body_over_the_limit_is_not_read(sender, length, status, code):
    answered = sender(b" " * length)

    assert (answered.status_code, answered.json()["code"]) == (status, code)


def test_the_limit_is_a_setting(sender, settings):
    settings.CEM_CASES = settings.CEM_CASES | {"API_MAX_BYTES": 20}

    assert sender(make.answer()).status_code == 413
    assert not Response.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"CONTENT_LENGTH": "{more}"}, 400),  # the sender hung up
        ({"CONTENT_LENGTH": "{less}"}, 400),
        ({"CONTENT_LENGTH": "-1"}, 400),
        ({"CONTENT_LENGTH": "١٢"}, 400),
        ({"CONTENT_LENGTH": "many"}, 400),
        ({"CONTENT_LENGTH": "9" * 5000}, 413),
        ({"HTTP_TRANSFER_ENCODING": "chunked"}, 400),
    ],
)
def test_a_length_that_is_a_lie_is_refused(fingerprint, headers, status):
    make.nps()
    token = Token.objects.create(user=make.user("shop", "add_response"))
    body = given()
    lengths = {"more": len(body) + 1, "less": len(body) - 1}
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/api/v1/responses/",
        "SERVER_NAME": "testserver",
        "SERVER_PORT": "80",
        "wsgi.input": io.BytesIO(body),
        "CONTENT_TYPE": "application/json",
        "HTTP_AUTHORIZATION": f"Token {token.key}",
        **{name: value.format(**lengths) for name, value in headers.items()},
    }
    before = fingerprint()

    answered = resolve("/api/v1/responses/").func(WSGIRequest(environ)).render()

    assert answered.status_code == status
    assert fingerprint() == before


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/xml",
        "application/problem+json",
        "",
        "json",
        "application/json" + "a" * 5000,
        ";;;",
    ],
)
def test_what_is_not_called_json_is_refused(sender, fingerprint, content_type):
    before = fingerprint()

    answered = sender(given(), content_type=content_type)

    assert answered.status_code == 415
    assert answered.json()["code"] == "unsupported_media_type"
    assert fingerprint() == before


NUMBERS = [
    *(
        "9" * 23,
        "9" * 18,
        "-1",
        "1.0",
        "0",
        "01",
        "1e3",
        "1_0",
        "1;",
        "null",
        "x" * 5000,
    ),
    *("%00", "١", "1/../2", "1%0A", "1%20", "%27"),
    "4F1F6A7E-0F5B-4A39-9B8D-3B1D3B1D3B1D",
]


@pytest.mark.parametrize("path", ["", "timeline/", "clocks/", "claim/"])
def test_a_strange_number_is_no_case(api, db, path):
    case = make.case(team=(north := make.team("north")))
    client = api(make.agent(north))
    call = client.post if path == "claim/" else client.get

    for number in NUMBERS:
        number = number.replace("1", str(case.pk))
        answered = call(f"/api/v1/cases/{number}/{path}")
        assert answered.status_code == 404, number

    case.refresh_from_db()
    assert case.owner is None


def test_another_method_in_a_header_is_ignored(api, db):
    case = make.case(team=(north := make.team("north")))
    client = api(make.agent(north))

    answered = client.post(
        f"/api/v1/cases/{case.pk}/claim/", headers={"x-http-method-override": "DELETE"}
    )

    assert (answered.status_code, answered.json()["status"]) == (200, "open")


@pytest.mark.parametrize("method", ["put", "patch", "delete", "options", "trace"])
@pytest.mark.parametrize(
    "path",
    [
        *("responses/", "cases/", "cases/1/", "cases/1/claim/", "cases/1/clocks/"),
        "cases/1/escalations/1/acknowledge/",
    ],
)
def test_other_methods_are_not_there(api, db, method, path):
    user = make.user("", "view_case", "work_case", "add_response")

    answered = getattr(api(user), method)(f"/api/v1/{path}")

    assert answered.status_code == 405
    assert answered.json()["code"] == "method_not_allowed"


@pytest.mark.parametrize("method", ["get", "post", "options", "head", "delete"])
@pytest.mark.parametrize("path", ["responses/", "cases/", "cases/1/", "cases/x/claim/"])
def test_who_is_nobody_learns_nothing(api, db, method, path):
    answered = getattr(api(), method)(f"/api/v1/{path}")

    assert answered.status_code == 401
    assert answered["WWW-Authenticate"] == "Token"
    if method != "head":
        assert answered.json().keys() == {"type", "title", "status", "code", "detail"}


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("ordering=owner__password", "ordering"),
        ("ordering=-opened_at,;drop", "ordering"),
        ("page=1000000000", "page"),
        ("format=api", "format"),
        ("id=NaN", "id"),
        (
            "team__members__password__startswith=p",
            "team__members__password__startswith",
        ),
        ("q=%00", "q"),
        ("q=" + "x" * 201, "q"),
        ("q=", "q"),
        ("q=a&q=b", "q"),
        ("status=new&status=open", "status"),
        ("status=nev", "status"),
        ("status=new,", "status"),
        ("priority=1", "priority"),
        ("band=kilimanjaro", "band"),
        ("overdue=maybe", "overdue"),
        ("overdue=1", "overdue"),
        ("escalated=yes", "escalated"),
        ("due_before=notadate", "due_before"),
        ("due_before=2026-03-01", "due_before"),
        ("opened_after=2026-03-01T10:00:00", "opened_after"),
        ("opened_after=0001-01-01T00:00:00%2B14:00", "opened_after"),
        ("opened_before=9999-12-31T23:59:59-14:00", "opened_before"),
        ("opened_before=2026-02-30T00:00:00Z", "opened_before"),
        ("owner=ada", "owner"),
        ("owner=-1", "owner"),
        ("owner=" + "9" * 30, "owner"),
        ("owner=%D9%A1", "owner"),
        ("owner=1_0", "owner"),
        ("team=%27%3B--", "team"),
        ("survey=%00", "survey"),
        ("touchpoint=" + "x" * 101, "touchpoint"),
        ("customer=%00", "customer"),
        ("customer=" + "x" * 201, "customer"),
        ("page_size=0", "page_size"),
        ("page_size=201", "page_size"),
        ("page_size=100000", "page_size"),
        ("page_size=-1", "page_size"),
        ("page_size=%D9%A1", "page_size"),
        ("page_size=1e1", "page_size"),
        ("cursor=x", "cursor"),
        ("cursor=%00", "cursor"),
        ("cursor=" + "x" * 5000, "cursor"),
        ("cursor=" + "%F0%9F%98%80:a:b", "cursor"),
        ("x" * 5000 + "=1", "x" * 200),
        ("status=,", "status"),
        ("status=new, open", "status"),
    ],
)
def test_a_parameter_that_is_wrong_is_named(api, db, query, field):
    answered = api(make.manager()).get(f"/api/v1/cases/?{query}")

    assert answered.status_code == 400
    assert answered.json()["errors"].keys() == {field}
    assert CANARY not in answered.content.decode()


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize(
    "body",
    [
        b"[1]",
        b'"kilimanjaro"',
        b"null",
        b"{",
        b'{"version": NaN}',
        b'{"version": "kilimanjaro"}',
        b'{"version": 0}',
        b'{"version": 99999999999999999999}',
        b'{"version": true}',
        b'{"version": null}',
        b'{"version": 1, "version": 2}',
        b'{"owner": 1}',
        b'{"status": "closed", "team_id": 1, "kilimanjaro\\ud800": 1}',
    ],
)
def test_a_verb_refuses_a_hostile_body(api, fingerprint, caplog, verb, body):
    case = make.case(team=(north := make.team("north")))
    client = api(make.agent(north))
    before = fingerprint()

    answered = client.generic(
        "POST", f"/api/v1/cases/{case.pk}/{verb}/", body, "application/json"
    )

    assert answered.status_code == 400
    assert CANARY not in answered.content.decode() + caplog.text
    assert fingerprint() == before
