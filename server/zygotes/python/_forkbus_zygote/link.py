"""The link to the keeper: one packet is one message, and some bring descriptors."""

from __future__ import annotations

# Not `socket`: that loads a good deal more, and every worker would pay for it.
import _socket
import array
import fcntl
import os

LINK_FD = 3
RESULT_FD = 4
SPECIFICATION_FD = 5

_LONGEST_PACKET = 512
_MOST_DESCRIPTORS = 5
_SPACE = _socket.CMSG_SPACE(_MOST_DESCRIPTORS * array.array("i").itemsize)


class Link:
    """Our end of the link. A forked child has its own under the same number, and so in the same object. It never raises for a keeper that is gone: what it sends then is lost, and it receives the end."""

    def __init__(self, descriptor: int) -> None:
        self._socket = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET, 0, descriptor)
        if _socket.getdefaulttimeout() is not None:
            self._socket.settimeout(None)

    def send(self, kind: bytes, content: bytes = b"") -> None:
        packet = (kind + content)[:_LONGEST_PACKET]
        try:
            self._socket.send(packet, _socket.MSG_NOSIGNAL)
        except (BrokenPipeError, ConnectionResetError):
            pass  # The next receive() says so.

    def receive(self) -> tuple[bytes, list[int]]:
        """The next packet and its descriptors, none of which is 0 to 4; an empty packet is the end of the link."""
        try:
            packet, ancillary, _flags, _address = self._socket.recvmsg(
                _LONGEST_PACKET, _SPACE, _socket.MSG_CMSG_CLOEXEC
            )
        except ConnectionResetError:
            return b"", []
        descriptors = array.array("i")
        for level, kind, data in ancillary:
            if level == _socket.SOL_SOCKET and kind == _socket.SCM_RIGHTS:
                descriptors.frombytes(data[: len(data) - len(data) % descriptors.itemsize])
        return packet, [_above_reserved(each) for each in descriptors]


def _above_reserved(descriptor: int) -> int:
    """A program may have closed some of 0 to 4; what arrives there would be overwritten by what belongs there."""
    if descriptor > RESULT_FD:
        return descriptor
    moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, RESULT_FD + 1)
    os.close(descriptor)
    return moved
