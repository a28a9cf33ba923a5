"""A daemon that keeps what it is asked, and answers what the test says."""

from __future__ import annotations

import tempfile
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any

import grpc

from forkbus.v1 import admin_pb2, admin_pb2_grpc, process_pb2, process_pb2_grpc, template_pb2, template_pb2_grpc

Context = Any


class FakeDaemon(
    admin_pb2_grpc.AdminServiceServicer,
    process_pb2_grpc.ProcessServiceServicer,
    template_pb2_grpc.TemplateServiceServicer,
):
    """Of one process, `process`, and templates that are ready at once."""

    def __init__(self) -> None:
        self.requests: list[Any] = []
        self.process = process_pb2.Process()
        self.reached = True
        self.templates: dict[str, template_pb2.Template] = {}
        self._directory = tempfile.TemporaryDirectory(prefix="forkbus-fake-")
        self.address = f"unix:{self._directory.name}/daemon.sock"
        self._server = grpc.server(ThreadPoolExecutor(4))
        admin_pb2_grpc.add_AdminServiceServicer_to_server(self, self._server)
        process_pb2_grpc.add_ProcessServiceServicer_to_server(self, self._server)
        template_pb2_grpc.add_TemplateServiceServicer_to_server(self, self._server)
        self._server.add_insecure_port(self.address)
        self._server.start()

    def __enter__(self) -> FakeDaemon:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.stop(None).wait()
        self._directory.cleanup()

    @property
    def created(self) -> process_pb2.ProcessSpec:
        """What the last process was to be."""
        (*_, request) = (each for each in self.requests if isinstance(each, process_pb2.CreateProcessRequest))
        return request.process.spec

    def GetServerInfo(self, request: admin_pb2.GetServerInfoRequest, context: Context) -> Any:
        return admin_pb2.GetServerInfoResponse(version="0.0.0")

    def CreateProcess(self, request: process_pb2.CreateProcessRequest, context: Context) -> Any:
        self.requests.append(request)
        process = process_pb2.Process(name=request.process.name or "process-1", uid="uid-1", spec=request.process.spec)
        process.status.MergeFrom(self.process.status)
        return process_pb2.CreateProcessResponse(process=process)

    def GetProcess(self, request: process_pb2.GetProcessRequest, context: Context) -> Any:
        self.requests.append(request)
        return process_pb2.GetProcessResponse(process=self.process)

    def WaitProcess(self, request: process_pb2.WaitProcessRequest, context: Context) -> Any:
        self.requests.append(request)
        return process_pb2.WaitProcessResponse(reached=self.reached, process=self.process)

    def ListProcesses(self, request: process_pb2.ListProcessesRequest, context: Context) -> Any:
        listed = process_pb2.Process()
        listed.CopyFrom(self.process)
        if listed.status.result.HasField("value"):
            listed.status.result.value.data = b""
        return process_pb2.ListProcessesResponse(processes=[listed])

    def ReleaseProcess(self, request: process_pb2.ReleaseProcessRequest, context: Context) -> Any:
        self.requests.append(request)
        return process_pb2.ReleaseProcessResponse()

    def CreateTemplate(self, request: template_pb2.CreateTemplateRequest, context: Context) -> Any:
        self.requests.append(request)
        template = request.template
        if template.name in self.templates:
            context.abort(grpc.StatusCode.ALREADY_EXISTS, f"There is a template {template.name}")
        return template_pb2.CreateTemplateResponse(template=self._keep(template.name, template.spec))

    def UpdateTemplate(self, request: template_pb2.UpdateTemplateRequest, context: Context) -> Any:
        self.requests.append(request)
        return template_pb2.UpdateTemplateResponse(template=self._keep(request.name, request.spec))

    def GetTemplate(self, request: template_pb2.GetTemplateRequest, context: Context) -> Any:
        if request.name not in self.templates:
            context.abort(grpc.StatusCode.NOT_FOUND, f"No template {request.name}")
        return template_pb2.GetTemplateResponse(template=self.templates[request.name])

    def ListTemplates(self, request: template_pb2.ListTemplatesRequest, context: Context) -> Any:
        names = sorted(name for name in self.templates if name.startswith(request.name_prefix))
        first = int(request.page_token or 0)
        page = [self.templates[name] for name in names[first : first + request.page_size]]
        after = first + request.page_size
        token = str(after) if after < len(names) else ""
        return template_pb2.ListTemplatesResponse(templates=page, next_page_token=token)

    def DeleteTemplate(self, request: template_pb2.DeleteTemplateRequest, context: Context) -> Any:
        self.templates.pop(request.name, None)
        return template_pb2.DeleteTemplateResponse()

    def WaitTemplate(self, request: template_pb2.WaitTemplateRequest, context: Context) -> Any:
        return template_pb2.WaitTemplateResponse(reached=self.reached, template=self.templates[request.name])

    def _keep(self, name: str, spec: template_pb2.TemplateSpec) -> template_pb2.Template:
        old = self.templates.get(name)
        status = template_pb2.TemplateStatus(
            state=template_pb2.TEMPLATE_STATE_READY,
            newest_generation=1 if old is None else old.status.newest_generation + 1,
        )
        self.templates[name] = template_pb2.Template(name=name, uid=f"uid-of-{name}", spec=spec, status=status)
        return self.templates[name]
