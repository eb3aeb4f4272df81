"""Whether the farm answers, and if not, why: Dask itself only says that it goes on trying."""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl

from edgeprune.farm.dask.address import Address

_TIMEOUT_S = 10.0


async def reach(address: Address) -> str:
    """Connects once, and waits for the farm's first byte.

    Returns:
        Why it cannot be used, in one line; empty if it can.
    """
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            reader, writer = await asyncio.open_connection(
                address.host, address.port, ssl=_context(address)
            )
            try:
                first = await reader.read(1)  # with TLS 1.3 a refusal comes only now
            finally:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
    except TimeoutError:
        return f"it did not answer within {_TIMEOUT_S:g} s"
    except ssl.SSLCertVerificationError:
        return (
            "its certificate is not of our authority: both need folders of one `edgeprune farm "
            "certificates`"
        )
    except ssl.SSLError as error:
        return f"it refused our certificate, or speaks no TLS: {error.reason or error}"
    except ConnectionRefusedError:
        return "nobody listens there"
    except OSError as error:
        return os.strerror(error.errno) if error.errno else str(error)
    return "" if first else "it closed the connection: does it want a certificate?"


def _context(address: Address) -> ssl.SSLContext | None:
    """TLS as the farm's other connections have it: by its own authority, whatever the name."""
    files = address.certificates
    if files is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=files.authority)
    context.check_hostname = False
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(files.certificate, files.key)
    return context
