"""Templates of a daemon."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING
from uuid import uuid4

from .connection import Connection
from .errors import AlreadyExistsError, TimedOutError
from .template import Template, parse_template
from .template_options import TemplateOptions, template_spec
from .v1 import template_pb2 as wire
from .wait_options import Deadline, deadline_after, wait_ms

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .v1.template_pb2_grpc import TemplateServiceStub


class Templates:
    """Recipes of zygotes: `Client.templates`. They belong to the daemon, and stay until they are deleted."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._service = connection.templates

    @property
    def service(self) -> TemplateServiceStub:
        """As it is on the wire: nothing is repeated, and errors are gRPC's own; see `Client.call`."""
        return self._service

    def create(
        self, name: str, *, labels: Mapping[str, str] | None = None, **options: Unpack[TemplateOptions]
    ) -> Template:
        """Keeps the template and starts its zygote; returns at once: see `wait`. Raises AlreadyExistsError."""
        spec = template_spec(options, self._connection.local)
        template = wire.Template(name=name, labels=labels, spec=spec)
        request = wire.CreateTemplateRequest(template=template, request_id=str(uuid4()))
        return parse_template(self._connection.repeat(self._service.CreateTemplate, lambda: request).template)

    def ensure(
        self,
        name: str,
        timeout: float | None = None,
        *,
        labels: Mapping[str, str] | None = None,
        **options: Unpack[TemplateOptions],
    ) -> Template:
        """What a program says at its start: creates the template, or updates the one of that name, and waits.

        One that has these options already is left as it is, so that this costs one short call. Labels are only those of
        a template that is made. The answer is that of `wait`.
        """
        deadline = deadline_after(timeout)
        try:
            self.create(name, labels=labels, **options)
        except AlreadyExistsError:
            self.update(name, **options)
        return self._wait(name, deadline)

    def get(self, name: str) -> Template:
        """Raises NotFoundError."""
        request = wire.GetTemplateRequest(name=name)
        return parse_template(self._connection.repeat(self._service.GetTemplate, lambda: request).template)

    def list(
        self, *, name_prefix: str = "", labels: Mapping[str, str] | None = None, page_size: int = 0
    ) -> Iterator[Template]:
        """In the order of their names, page by page as the loop goes, without reports. `labels` must all match."""
        request = wire.ListTemplatesRequest(name_prefix=name_prefix, labels=labels, page_size=page_size)
        while True:
            page = self._connection.repeat(self._service.ListTemplates, lambda: request)
            yield from map(parse_template, page.templates)
            if page.next_page_token == "":
                return
            request.page_token = page.next_page_token

    def update(self, name: str, **options: Unpack[TemplateOptions]) -> Template:
        """Replaces all options, so that those which are not given are the defaults again; not the runtime.

        A new generation is started; new workers come from it once it is ready, and until then, or if it fails, from the
        old one. Workers live on.
        """
        spec = template_spec(options, self._connection.local)
        request = wire.UpdateTemplateRequest(name=name, spec=spec)
        return parse_template(self._connection.repeat(self._service.UpdateTemplate, lambda: request).template)

    def delete(self, name: str) -> None:
        """Ends the zygote; workers live on. Deleting what is not there is no error.

        Raises ForkbusError TEMPLATE_IN_USE while another template is based on it.
        """
        request = wire.DeleteTemplateRequest(name=name)
        self._connection.repeat(self._service.DeleteTemplate, lambda: request)

    def wait(self, name: str, timeout: float | None = None) -> Template:
        """Waits until the newest generation is ready or has failed, which `state` and `failure` tell.

        Starts the zygote of a built-in template. Raises TimedOutError when the wait ran out.
        """
        return self._wait(name, deadline_after(timeout))

    def _wait(self, name: str, deadline: Deadline) -> Template:
        response = self._connection.repeat(
            self._service.WaitTemplate, lambda: wire.WaitTemplateRequest(name=name, wait_ms=wait_ms(deadline))
        )
        if not response.reached:
            raise TimedOutError(f"The template {name} is not ready", code="DEADLINE_EXCEEDED")
        return parse_template(response.template)
