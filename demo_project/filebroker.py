"""Celery's file broker, made safe for several processes at a time.

kombu writes a message into the file from which a worker may read it at that moment; the
worker that finds half a message stops for good. Here a message appears when it is whole.
"""

from __future__ import annotations

import os
from pathlib import Path
from time import monotonic
from typing import Any
from uuid import uuid4

from kombu.exceptions import ChannelError
from kombu.transport import filesystem
from kombu.utils.encoding import str_to_bytes
from kombu.utils.json import dumps


class Channel(filesystem.Channel):
    # kombu's stubs contradict each other about the name of `payload`.
    def _put(self, queue: str, payload: Any, **kwargs: Any) -> None:  # type: ignore[override]
        name = f"{round(monotonic() * 1000)}_{uuid4()}.{queue}.msg"
        whole = Path(self.data_folder_out, name)
        part = whole.with_suffix(".part")
        try:
            part.write_bytes(str_to_bytes(dumps(payload)))
            os.replace(part, whole)
        except OSError as error:
            raise ChannelError(f"Cannot write {whole}") from error


class Transport(filesystem.Transport):
    Channel = Channel
