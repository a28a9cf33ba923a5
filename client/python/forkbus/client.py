"""A connection to one daemon."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload
from uuid import uuid4

from .connection import Connection
from .process import Process
from .process_options import ProcessOptions
from .queue import Queue
from .queue_codec import Codec, codec_of
from .templates import Templates
from .v1 import admin_pb2, process_pb2, queue_pb2

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .connection import Method
    from .v1.admin_pb2_grpc import AdminServiceStub
    from .v1.process_pb2_grpc import ProcessServiceStub
    from .v1.queue_pb2_grpc import QueueServiceStub

T = TypeVar("T")
Request = TypeVar("Request")
Response = TypeVar("Response")

ListedState = Literal["starting", "running", "stopping", "exited", "lost"]

_STATE_NUMBERS: Mapping[ListedState, process_pb2.ProcessState.ValueType] = {
    "starting": process_pb2.PROCESS_STATE_STARTING,
    "running": process_pb2.PROCESS_STATE_RUNNING,
    "stopping": process_pb2.PROCESS_STATE_STOPPING,
    "exited": process_pb2.PROCESS_STATE_EXITED,
    "lost": process_pb2.PROCESS_STATE_LOST,
}


class Client:
    """Close it, or leave its `with` block, to end all that is under way on it; processes and queues live on.

    Any number of threads may use one client. It does not survive `os.fork`: connect in the child.
    """

    def __init__(self, connection: Connection, server: admin_pb2.GetServerInfoResponse) -> None:
        """Programs use `connect`."""
        self._connection = connection
        self.server = server
        """What the daemon is and can do, as it said when the connection was made."""
        self.templates = Templates(connection)
        """Warm starting points for processes."""

    @property
    def address(self) -> str:
        """In the form that `connect` and FORKBUS_ADDRESS take."""
        return self._connection.address

    @property
    def processes(self) -> ProcessServiceStub:
        """The services as they are on the wire: nothing is repeated, and errors are gRPC's own; see `call`."""
        return self._connection.processes

    @property
    def queues(self) -> QueueServiceStub:
        return self._connection.queues

    @property
    def admin(self) -> AdminServiceStub:
        return self._connection.admin

    def call(self, method: Method[Request, Response], request: Request) -> Response:
        """Calls a method of the services once, as `bus.call(bus.queues.GetQueue, …)`, and raises typed errors."""
        return self._connection.call(method, request)

    def process(self, **options: Unpack[ProcessOptions]) -> Process:
        """A process that is yet to be started: `bus.process(argv=["sleep", "1"]).start()`. See ProcessOptions.

        Runs a program (`argv`), a function of this program (`target`), or another in Python or JavaScript (`python`,
        `node`).
        """
        return Process(self._connection, options)

    def spawn(self, target: Callable[..., object] | None = None, /, **options: Unpack[ProcessOptions]) -> Process:
        """Starts a process, such as a function of this program: `bus.spawn(resize, args=["a.png"]).result()`.

        The same as `process`, started.
        """
        if target is not None:
            if "target" in options:
                raise TypeError("spawn has one target")
            options["target"] = target
        return self.process(**options).start()

    def attach(self, name: str) -> Process:
        """The process of that name, whoever started it."""
        request = process_pb2.GetProcessRequest(name=name)
        message = self._connection.repeat(self.processes.GetProcess, lambda: request).process
        return Process(self._connection, {"name": name}, message)

    def list(
        self,
        *,
        name_prefix: str = "",
        labels: Mapping[str, str] | None = None,
        states: Sequence[ListedState] = (),
        page_size: int = 0,
    ) -> Iterator[Process]:
        """Processes in the order of their names, page by page as the loop goes.

        `labels` must all match exactly; any of `states`, or all when none is given.
        """
        request = process_pb2.ListProcessesRequest(
            name_prefix=name_prefix,
            labels=labels,
            states=[_STATE_NUMBERS[state] for state in states],
            page_size=page_size,
        )
        while True:
            page = self._connection.repeat(self.processes.ListProcesses, lambda: request)
            for message in page.processes:
                yield Process(self._connection, {"name": message.name}, message)
            if page.next_page_token == "":
                return
            request.page_token = page.next_page_token

    @overload
    def queue(
        self,
        name: str | None = None,
        *,
        codec: Literal["bytes"] = "bytes",
        max_items: int = 0,
        max_bytes: int = 0,
        when_full: Literal["wait", "reject"] = "wait",
        labels: Mapping[str, str] | None = None,
    ) -> Queue[bytes]: ...

    @overload
    def queue(
        self,
        name: str | None = None,
        *,
        codec: Literal["utf8"],
        max_items: int = 0,
        max_bytes: int = 0,
        when_full: Literal["wait", "reject"] = "wait",
        labels: Mapping[str, str] | None = None,
    ) -> Queue[str]: ...

    @overload
    def queue(
        self,
        name: str | None = None,
        *,
        codec: Literal["json", "pickle"],
        max_items: int = 0,
        max_bytes: int = 0,
        when_full: Literal["wait", "reject"] = "wait",
        labels: Mapping[str, str] | None = None,
    ) -> Queue[Any]: ...

    @overload
    def queue(
        self,
        name: str | None = None,
        *,
        codec: Codec[T],
        max_items: int = 0,
        max_bytes: int = 0,
        when_full: Literal["wait", "reject"] = "wait",
        labels: Mapping[str, str] | None = None,
    ) -> Queue[T]: ...

    def queue(
        self,
        name: str | None = None,
        *,
        codec: str | Codec[Any] = "bytes",
        max_items: int = 0,
        max_bytes: int = 0,
        when_full: Literal["wait", "reject"] = "wait",
        labels: Mapping[str, str] | None = None,
    ) -> Queue[Any]:
        """Makes a queue, or finds the one of that name.

        With a name: a queue that stays until it is deleted, and that is made only if there is none; one of that name
        with other bounds or labels raises AlreadyExistsError. Without: a fresh queue, deleted at the end of the `with`
        block of the handle. Bounds of 0 are none for items, 256 MiB for bytes. Items are bytes unless a codec, by name
        or your own, says otherwise.
        """
        chosen = codec_of(codec)
        spec = queue_pb2.QueueSpec(
            max_items=max_items,
            max_bytes=max_bytes,
            full_policy=queue_pb2.FULL_POLICY_REJECT if when_full == "reject" else queue_pb2.FULL_POLICY_BLOCK,
        )
        # A name made here, so that the call can be repeated.
        message = queue_pb2.Queue(name=name or f"queue-{uuid4()}", labels=labels, spec=spec)
        request = queue_pb2.CreateQueueRequest(queue=message)
        response = self._connection.repeat(self.queues.CreateQueue, lambda: request)
        return Queue(self._connection, response.queue, chosen, owned=name is None)

    @overload
    def open_queue(self, name: str, *, codec: Literal["bytes"] = "bytes") -> Queue[bytes]: ...

    @overload
    def open_queue(self, name: str, *, codec: Literal["utf8"]) -> Queue[str]: ...

    @overload
    def open_queue(self, name: str, *, codec: Literal["json", "pickle"]) -> Queue[Any]: ...

    @overload
    def open_queue(self, name: str, *, codec: Codec[T]) -> Queue[T]: ...

    def open_queue(self, name: str, *, codec: str | Codec[Any] = "bytes") -> Queue[Any]:
        """The queue of that name, whatever its bounds. Raises NotFoundError when there is none."""
        chosen = codec_of(codec)
        request = queue_pb2.GetQueueRequest(name=name)
        response = self._connection.repeat(self.queues.GetQueue, lambda: request)
        return Queue(self._connection, response.queue, chosen, owned=False)

    def close(self) -> None:
        """Ends every call that is under way. Any number of times."""
        self._connection.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
