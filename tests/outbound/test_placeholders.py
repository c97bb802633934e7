import pytest

from cem_cases.outbound import placeholders

HOSTILE = ["{% load x %}", "{{ a }", "}}", "{{", "{% now %}"]


@pytest.mark.parametrize("text", HOSTILE)
def test_what_is_no_placeholder_is_refused(text):
    assert list(placeholders.problems(text))


def test_unknown_names_are_refused_with_the_list_of_the_known_ones():
    (said,) = placeholders.problems("{{ customer.email }} {{ score }} {{ nope }}")

    assert said.startswith("Unknown: {{ customer.email }}, {{ nope }}.")
    assert "{{ case_number }}" in said
    assert "survey_link" not in said


def test_only_an_invitation_has_the_link():
    text = "{{ survey_link }}"

    assert list(placeholders.problems(text))
    assert not list(placeholders.problems(text, is_invitation=True))


def test_values_are_never_templates_themselves():
    text = "{{ customer_name }} {{ score }}"
    values = {"customer_name": "{{ score }} {% x %}", "score": "3"}

    assert placeholders.fill(text, values) == "{{ score }} {% x %} 3"


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ("Ada\r\nBcc: evil@example.com", "Ada Bcc: evil@example.com"),
        ("Ada\x00\x0b\u2028Lovelace", "Ada Lovelace"),
        ("\u202eadA", "adA"),
        ("Zoë 🙂", "Zoë 🙂"),
        ("a" * 10_000, "a" * 200),
    ],
)
def test_a_value_is_one_bounded_line(value, line):
    assert placeholders.fill("{{ score }}", {"score": value}) == line


def test_what_has_no_value_is_nothing():
    assert placeholders.fill("a{{ score }}b", {}) == "ab"


def test_every_placeholder_has_an_example():
    text = "".join(f"{{{{ {name} }}}}" for name in placeholders.KNOWN)

    assert "{{" not in placeholders.fill(text, placeholders.examples())
