"""`manage.py serve`: the demo's site with its worker and beat, until Ctrl-C."""

from __future__ import annotations

import socket
import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from demo_project import fresh
from demo_project.management.commands.demo import ADDRESS, logins
from demo_project.workers import Crew, Failed, stopping_politely


class Command(BaseCommand):
    help = "Run the demo's site, a worker and beat together. Ctrl-C stops all of them."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("address", nargs="?", default=ADDRESS, help=ADDRESS)

    def handle(self, *args: Any, **options: Any) -> None:
        if not fresh.has_demo():
            raise CommandError("There is nothing to look at yet: run make demo first.")
        host, _, port = options["address"].rpartition(":")
        if not port.isdigit():
            raise CommandError(f"An address looks like {ADDRESS}.")
        where = (host or "127.0.0.1", int(port))
        if _answers(where):
            raise CommandError(
                f"Something runs at {options['address']} already. Choose another: "
                f"make serve ARGS={where[0]}:{where[1] + 1}"
            )
        try:
            with stopping_politely(), fresh.only_one(), Crew(patience=8) as crew:
                self._serve(crew, where)
        except Failed as error:
            raise CommandError(str(error)) from None
        except KeyboardInterrupt:
            self.stdout.write("\nStopped.")

    def _serve(self, crew: Crew, where: tuple[str, int]) -> None:
        crew.start_site(f"{where[0]}:{where[1]}")
        crew.start_worker(1, concurrency=2)
        crew.start_beat()
        crew.wait(lambda: _answers(where), every=0.1)
        crew.wait_until_ready()
        self.stdout.write(f"\nThe site is at http://{where[0]}:{where[1]}/admin/")
        for line in logins():
            self.stdout.write(line)
        self.stdout.write("Worker and beat run beside it. Ctrl-C stops all.")
        self.stdout.flush()
        while True:
            crew.check()
            time.sleep(0.5)


def _answers(where: tuple[str, int]) -> bool:
    with socket.socket() as client:
        client.settimeout(1)
        return client.connect_ex(where) == 0
