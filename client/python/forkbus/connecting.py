"""Finding a daemon."""

from __future__ import annotations

import os
import time

from .address import UnixAddress, default_address, parse_address
from .client import Client
from .connection import Connection, TlsOptions
from .errors import UnavailableError
from .retry import repeat_while_unavailable
from .socket_owner import refuse_foreign_socket
from .v1 import admin_pb2


def connect(
    address: str | None = None,
    *,
    reconnect: float = 10.0,
    timeout: float = 0.0,
    tls: TlsOptions | None = None,
) -> Client:
    """Connects to a daemon, and asks it who it is.

    The address is the argument, else `$FORKBUS_ADDRESS`, else the daemon of this user on this host: see
    `default_address`. Raises UnavailableError when nobody is there, after `timeout` seconds.

    `reconnect` is for how many seconds calls that may be repeated go on trying when the daemon does not answer, as
    during its restart; 0 does not try again. `tls` is for `tcp://` addresses.
    """
    parsed = parse_address(address if address is not None else _address_from_environment())
    connection = Connection(parsed, tls or TlsOptions(), reconnect)
    request = admin_pb2.GetServerInfoRequest()
    try:
        server = repeat_while_unavailable(
            timeout, time.sleep, lambda: connection.call(connection.admin.GetServerInfo, request)
        )
    except BaseException as error:
        connection.close()
        if isinstance(error, UnavailableError) and error.reason == "":
            raise _nobody_there(connection.address, str(error)) from error
        raise
    return Client(connection, server)


def _address_from_environment() -> str:
    address = os.environ.get("FORKBUS_ADDRESS", "")
    if address != "":
        return address
    uid = os.getuid()
    found = default_address(os.environ, uid)
    parsed = parse_address(found)
    if isinstance(parsed, UnixAddress):
        refuse_foreign_socket(parsed.path, uid)
    return found


def _nobody_there(address: str, why: str) -> UnavailableError:
    if "Permission denied" in why:
        return UnavailableError(f"No permission to use the socket of forkbus at {address}", code="UNAVAILABLE")
    return UnavailableError(
        f"No forkbus daemon at {address}: {_advice(address)} ({_without_place(why)})", code="UNAVAILABLE"
    )


def _advice(address: str) -> str:
    if address.startswith("tcp:"):
        return "is it running there?"
    usual = default_address(os.environ, os.getuid())
    serve = "forkbus serve" if address == usual else f"forkbus serve --listen {address}"
    return f"is it running? Start one with `{serve}`"


def _without_place(why: str) -> str:
    """The address stands in the sentence already."""
    return why.rpartition(": ")[2]
