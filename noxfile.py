"""The support matrix, run by hand and by CI, never by the README's two commands.

With pyenv, name the interpreters so that its shims answer for all of them:

    PYENV_VERSION=3.11:3.12:3.13 CI=1 nox

Without `CI` a missing interpreter is skipped with success.
"""

import nox

nox.needs_version = ">=2025.2"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.download_python = "never"
nox.options.sessions = ["tests", "lowest"]

MATRIX = [
    ("3.11", "5.2"),
    ("3.12", "5.2"),
    ("3.12", "6.0"),
    ("3.13", "5.2"),
    ("3.13", "6.1"),
]


@nox.session
@nox.parametrize(("python", "django"), MATRIX)
def tests(session: nox.Session, django: str) -> None:
    """Run the whole suite on one Python and one Django."""
    session.install("-e", ".[test]", f"django~={django}.0")
    session.run("python", "-m", "pytest", "-q", *session.posargs)


@nox.session(python="3.11", venv_backend="uv")
def lowest(session: nox.Session) -> None:
    """Keep the lower bounds honest: the oldest release of each direct dependency."""
    session.install("--resolution=lowest-direct", "-e", ".[test]")
    session.run("python", "-m", "pytest", "-q", *session.posargs)
