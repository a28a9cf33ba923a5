"""Templates, as they are on the wire."""

from __future__ import annotations

import sys

import pytest

from fake_daemon import FakeDaemon
from forkbus import AlreadyExistsError, Client, NotFoundError, TimedOutError
from forkbus.template import parse_template
from forkbus.v1 import template_pb2 as wire
from forkbus.v1 import types_pb2


def warm_up(size: int) -> None: ...


def test_makes_one_as_it_is_described(fake: FakeDaemon, to_fake: Client) -> None:
    base = to_fake.templates.create("base", preload=["json"])
    template = to_fake.templates.create(
        "app",
        labels={"team": "maps"},
        parent=base,
        preload=["email", "asyncio"],
        init=warm_up,
        init_args=[5],
        env={"A": "b"},
        cwd="/usr",
        run_as="nobody",
        preload_timeout=2.5,
        warm_workers=3,
        keep_fds=["socket:*"],
    )
    request = fake.requests[-1]
    spec = request.template.spec
    assert (request.template.name, dict(request.template.labels)) == ("app", {"team": "maps"})
    assert request.request_id != fake.requests[0].request_id != ""
    assert spec.runtime == types_pb2.RUNTIME_PYTHON
    assert (spec.parent, list(spec.preload), dict(spec.env)) == ("base", ["email", "asyncio"], {"A": "b"})
    assert (spec.working_dir, spec.run_as.user, spec.preload_timeout_ms) == ("/usr", "nobody", 2500)
    assert (spec.init.function, spec.init.arguments.encoding) == (f"{__name__}:warm_up", "pickle")
    assert set(spec.init.module_path) <= set(spec.module_path) and len(spec.module_path) > 0
    assert (template.name, template.parent, template.init) == ("app", "base", f"{__name__}:warm_up")
    assert (template.preload, template.preload_timeout, template.warm_workers) == (("email", "asyncio"), 2.5, 3)
    assert (template.state, template.keep_fds, template.runtime) == ("ready", ("socket:*",), "python")
    to_fake.process(python="m:f", template=template).start()
    assert fake.created.template == "app"


def test_finds_lists_changes_and_deletes_them(fake: FakeDaemon, to_fake: Client) -> None:
    templates = to_fake.templates
    for name in ("a/1", "a/2", "a/3", "b"):
        templates.create(name, runtime="node", init="jobs.js#warm", init_args=[1])
    assert [each.name for each in templates.list(name_prefix="a/", page_size=2)] == ["a/1", "a/2", "a/3"]
    assert (templates.get("b").runtime, templates.get("b").latest.spec.init.arguments.data) == ("node", b"[1]")
    assert templates.update("b", runtime="node", preload=["typescript"]).preload == ("typescript",)
    assert (templates.get("b").init, templates.get("b").newest_generation) == ("", 2)
    templates.delete("b")
    templates.delete("b")
    with pytest.raises(NotFoundError):
        templates.get("b")
    with pytest.raises(AlreadyExistsError):
        templates.create("a/1")


def test_ensures_that_there_is_one(fake: FakeDaemon, to_fake: Client) -> None:
    assert to_fake.templates.ensure("app", preload=["json"]).newest_generation == 1
    assert to_fake.templates.ensure("app", preload=["email"]).preload == ("email",)
    assert to_fake.templates.wait("app", timeout=1).newest_generation == 2
    fake.reached = False
    with pytest.raises(TimedOutError, match="The template app is not ready"):
        to_fake.templates.ensure("app", 0, preload=["email"])


def test_says_why_one_failed_and_what_one_has_inside() -> None:
    failed = parse_template(
        wire.Template(
            name="app",
            status=wire.TemplateStatus(
                state=wire.TEMPLATE_STATE_FAILED,
                failure=wire.TemplateFailure(
                    module="app",
                    message="Loading app raised ValueError",
                    exception=types_pb2.WorkerException(type="ValueError", message="no", traceback="at line 3"),
                    threads=["Thread-1"],
                ),
            ),
        )
    )
    assert failed.state == "failed" and failed.failure is not None and failed.report is None
    assert (failed.failure.module, failed.failure.exception) == ("app", "ValueError: no")
    assert (failed.failure.traceback, failed.failure.threads) == ("at line 3", ("Thread-1",))
    report = wire.ZygoteReport(
        pid=7, runtime_version="3.11.7", modules=[wire.ModuleReport(name="json", load_us=1500)], forks=9
    )
    status = wire.TemplateStatus(state=wire.TEMPLATE_STATE_IDLE, report=report)
    ready = parse_template(wire.Template(name="python", status=status))
    assert ready.state == "idle" and ready.report is not None and ready.failure is None
    assert (ready.report.runtime_version, ready.report.forks, ready.report.ready_time) == ("3.11.7", 9, None)
    assert (ready.report.modules[0].name, ready.report.modules[0].seconds) == ("json", 0.0015)
    unknown = parse_template(wire.Template(status=wire.TemplateStatus(state=99)))  # type: ignore[arg-type]
    assert (unknown.state, unknown.runtime) == ("unknown", "unknown")


def test_refuses_what_makes_no_template(to_fake: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TypeError, match="no option modules"):
        to_fake.templates.create("app", modules=["json"])  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="preload is a sequence of names, got 'json'"):
        to_fake.templates.create("app", preload="json")
    with pytest.raises(ValueError, match="python, node, got 'ruby'"):
        to_fake.templates.create("app", runtime="ruby")  # type: ignore[arg-type]
    of_main = type("OfMain", (), {"__module__": "__main__"})
    monkeypatch.setattr(sys.modules["__main__"], "OfMain", of_main, raising=False)
    with pytest.raises(TypeError, match="outlives this program: put init"):
        to_fake.templates.create("app", init=warm_up, init_args=[of_main()])
    with pytest.raises(TypeError, match="file#export"):
        to_fake.templates.create("app", runtime="node", init=warm_up)
