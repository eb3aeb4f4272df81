"""The part of ``edgeprune farm`` that is about several hosts: workers, and their certificates."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgeprune.cli.json_output import print_json
from edgeprune.cli.options.output import json_option
from edgeprune.errors import ConfigError
from edgeprune.text.untrusted import printable

if TYPE_CHECKING:
    from edgeprune.farm.dask.address import Address

DEFAULT_LISTEN = "127.0.0.1:8786"

certificates_option = click.option(
    "--certificates",
    metavar="FOLDER",
    type=click.Path(path_type=Path, file_okay=False),
    help="This host's folder, as `edgeprune farm certificates` makes it; needed off this machine.",
)


@click.command(epilog="Example: edgeprune farm worker 10.0.0.1 --certificates certificates/lab1")
@click.argument("farm", metavar="FARM")
@certificates_option
@click.option("--name", help="What the farm calls this host; its host name if not given.")
@click.option("--bench", type=click.Path(path_type=Path), help="Bench file to use.")
@json_option
def worker(
    farm: str, certificates: Path | None, name: str | None, bench: Path | None, as_json: bool
) -> None:
    """Lend this host's devices to the farm at FARM, HOST[:PORT], until interrupted.

    Waits for the farm where it is not there, and finds it again. Interrupted, it ends the jobs that
    run here, which the farm tries elsewhere.
    """
    import asyncio

    from edgeprune.farm.dask.host import HostSettings, serve
    from edgeprune.farm.dask.messages import is_host_name

    host = name or socket.gethostname()
    if not is_host_name(host):
        raise ConfigError(
            f"--name {host!r}: 1 to 63 letters, digits and . _ - can be a host's name"
        )
    settings = HostSettings(farm, farm_address(farm, certificates), certificates, host, bench)
    connections = asyncio.run(serve(settings, tell))
    if as_json:
        print_json({"farm": settings.address.url, "host": host, "connections": connections})


@click.command(epilog="Example: edgeprune farm certificates certificates lab0 lab1 lab2")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.argument("hosts", metavar="HOST...", nargs=-1, required=True)
@json_option
def certificates(folder: Path, hosts: tuple[str, ...], as_json: bool) -> None:
    """Make certificates for a farm's hosts in FOLDER, a folder for each HOST.

    The first time an authority is made as well, in FOLDER/authority; it stays here, and whoever has
    its key can join the farm. Hosts can be added later.
    """
    from edgeprune.farm.dask.certificates import make_certificates
    from edgeprune.farm.dask.messages import is_host_name

    for host in hosts:
        if not is_host_name(host):
            raise ConfigError(f"{host!r}: 1 to 63 letters, digits and . _ - can be a host's name")
    if len(set(hosts)) != len(hosts):
        raise ConfigError("a host stands there twice: leave one out")
    made = make_certificates(folder, hosts)
    if as_json:
        print_json({"folders": [str(one) for one in made]})
        return
    for one in made:
        click.echo(f"{one}: take this folder to the host {one.name}, and give it as --certificates")


def farm_address(text: str, folder: Path | None) -> Address:
    """Where the farm listens; what its certificate warns of is told.

    Raises:
        ConfigError: It is no address, or has to have certificates and has none that hold.
    """
    from edgeprune.farm.dask.address import address_of

    address = address_of(text, folder)
    if address.certificates is not None and address.certificates.warning:
        tell(address.certificates.warning)
    return address


def tell(line: str) -> None:
    """Says a line to people."""
    click.echo(printable(f"farm: {line}"), err=True)
