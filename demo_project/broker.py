"""What Celery's transport needs to know, by the kind of broker."""

from pathlib import Path
from typing import Any


def transport(url: str) -> str | None:
    """Return `CELERY_BROKER_TRANSPORT`: None where kombu's own is the right one."""
    is_file = url.startswith("filesystem:")
    return "demo_project.filebroker:Transport" if is_file else None


def transport_options(url: str, *, folder: Path) -> dict[str, Any]:
    """Return `CELERY_BROKER_TRANSPORT_OPTIONS` for this broker.

    The file broker keeps its messages in `folder`, which is made when missing.
    """
    if url.startswith("filesystem:"):
        return _files(folder)
    if url.startswith(("redis", "valkey", "sentinel")):
        return _redis()
    return {}


def _files(folder: Path) -> dict[str, Any]:
    messages = folder / "messages"
    messages.mkdir(parents=True, exist_ok=True)
    return {
        # Written and read in the same folder: every process is sender and receiver.
        "data_folder_in": str(messages),
        "data_folder_out": str(messages),
        "control_folder": str(folder / "control"),
        # The default of one second is one second a task; a look costs 0.1 ms.
        "polling_interval": 0.03,
    }


def _redis() -> dict[str, Any]:
    return {
        "visibility_timeout": 600,
        "socket_timeout": 2,
        "socket_connect_timeout": 2,
        # Known to kombu 5.7 and later, ignored before.
        "unacked_restore_interval": 5,
        "unacked_restore_throttle": 1,
    }
