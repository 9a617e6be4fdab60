"""The clouds that plans are carried out on: the real ones, or this machine in their place."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Final

from cli.errors import CommandError
from cli.exit_codes import ExitCode
from executor.drivers.base import Driver
from executor.drivers.local import LocalDriver
from executor.drivers.local_market import Market
from executor.drivers.local_market_file import read_market
from executor.errors import ExecutorError
from executor.provision import Patience
from executor.ssh import own_key

LOCAL: Final = "local"
REAL: Final = "clouds"
REACHED: Final = frozenset({"aws"})
"""The real clouds that there is a driver for."""
LOCAL_PATIENCE: Final = Patience(poll_s=0.05, boot_s=120.0, pause_s=0.2, tries=6, settle_s=0.0, watch_s=0.3, lost_s=5.0)


class Clouds:
    """Drivers by the catalog's names of clouds.

    Attributes:
        name: `local` or `clouds`.
        folder: of all that the executor keeps.
    """

    def __init__(self, name: str, folder: Path, market: Path | None = None) -> None:
        if name not in {LOCAL, REAL}:
            raise CommandError(
                f"there is no {name!r} to carry plans out on", hint=f"{LOCAL}, or leave --on away", code=ExitCode.USAGE
            )
        self.name, self.folder, self._market = name, folder, None if market is None else _market(market)
        self._drivers: dict[str, Driver] = {}

    @cached_property
    def public_key(self) -> str:
        """That the nodes let in; made at first use."""
        return own_key(self.folder / "keys").public

    def driver_of(self, cloud: str) -> Driver:
        """The driver of a cloud; the same one each time."""
        if cloud not in self._drivers:
            self._drivers[cloud] = self._made(cloud)
        return self._drivers[cloud]

    def local_driver(self, cloud: str) -> LocalDriver:
        """The one that pretends to be a cloud."""
        return LocalDriver(cloud, self.folder / "local", self._market)

    def _made(self, cloud: str) -> Driver:
        if self.name == LOCAL:
            return self.local_driver(cloud)
        from executor.drivers.ec2 import Ec2Driver  # it takes libcloud and botocore, which nothing else here does

        keys = self.folder / "keys"
        return Ec2Driver(own_key(keys).identity, keys)

    def reaches(self, cloud: str) -> bool:
        """Whether plans for a cloud can be carried out there."""
        return self.name == LOCAL or cloud in REACHED

    def patience_of(self, cloud: str) -> Patience:  # noqa: ARG002
        """How long a cloud is waited for."""
        return LOCAL_PATIENCE if self.name == LOCAL else Patience()


def _market(file: Path) -> Market:
    try:
        return read_market(file)
    except ExecutorError as error:
        raise CommandError(str(error), hint=error.hint) from error
