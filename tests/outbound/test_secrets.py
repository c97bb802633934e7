import base64
import hashlib
import hmac

import pytest

from cem_cases.outbound import secrets, signing

KEY = "0" * 32


def test_the_same_again_from_the_same_secret():
    assert secrets.link_token("site", KEY) == secrets.link_token("site", KEY)


@pytest.mark.parametrize(
    "other", [("other site", KEY), ("site", "1" * 32)], ids=["site", "key"]
)
def test_another_one_from_anything_else(other):
    assert secrets.link_token(*other) != secrets.link_token("site", KEY)


def test_a_token_is_long_and_good_for_urls():
    token = secrets.link_token("site", KEY)

    assert len(base64.urlsafe_b64decode(token + "=")) == 32
    assert token.replace("-", "").replace("_", "").isalnum()


def test_each_purpose_has_its_own():
    token = base64.urlsafe_b64decode(secrets.link_token("site", KEY) + "=")
    signing_secret = secrets.signing_secret("site", KEY).removeprefix("whsec_")

    assert base64.b64decode(signing_secret) != token


def test_former_secrets_of_the_site_are_tried():
    known = secrets.fingerprint(secrets.link_token("old", KEY))

    found = secrets.recover(secrets.link_token, ["new", "old"], KEY, known)

    assert found == secrets.link_token("old", KEY)
    assert secrets.recover(secrets.link_token, ["new"], KEY, known) is None


def test_the_example_of_standard_webhooks():
    # of the reference implementation's tests
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    body = b'{"test": 2432232314}'

    made = signing.headers(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)

    assert made == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_a_signature_is_what_anybody_else_reckons():
    secret = secrets.signing_secret("site", KEY)
    made = signing.headers(secret, "msg_1", 1_700_000_000, b"{}")

    key = base64.b64decode(secret.split("_", 1)[1])
    reckoned = hmac.new(key, b"msg_1.1700000000.{}", hashlib.sha256).digest()
    assert made["webhook-signature"] == f"v1,{base64.b64encode(reckoned).decode()}"
