"""Targets, arguments and results: the same for a worker that is forked and one that is spawned."""

from __future__ import annotations

import json
import os
import pickle
import resource
import sys
import unittest
from typing import Any, Optional

from fake_keeper import Process, function
from zygote_case import MODULES, ZygoteCase


class Calls:
    """What holds of both."""

    def start(self, target: Any, arguments: bytes = b"", **more: Any) -> Process:
        raise NotImplementedError

    def run_to_end(self, target: Any, arguments: bytes = b"", **more: Any) -> "tuple[int, Optional[dict[str, Any]]]":
        process = self.start(target, arguments, **more)
        self.last = process
        return process.wait(), process.result()

    def raised(self, target: Any, arguments: bytes = b"", **more: Any) -> "dict[str, Any]":
        code, result = self.run_to_end(target, arguments, **more)
        self.assertEqual((code, result and result["kind"]), (1, "exception"), self.last.stderr())
        return result

    def test_a_json_array_is_positional_arguments(self) -> None:
        code, result = self.run_to_end("targets:echo", b'[1, "zwei"]')
        self.assertEqual(code, 0)
        self.assertEqual((result["kind"], result["encoding"]), ("value", "json"))
        self.assertEqual(json.loads(result["data"]), [[1, "zwei"], {}])

    def test_a_json_object_is_keyword_arguments(self) -> None:
        self.assertEqual(self.start("targets:echo", b'{"a": null}').value(), [[], {"a": None}])

    def test_no_bytes_are_no_arguments(self) -> None:
        for encoding in ("json", "pickle", "raw"):
            self.assertEqual(self.start(function("targets:echo", encoding)).value(), [[], {}])

    def test_dots_are_allowed_in_module_and_function(self) -> None:
        self.assertEqual(self.start("targets:Nested.double", b"[21]").value(), 42)
        self.assertEqual(self.start("os.path:basename", b'["/a/b"]').value(), "b")

    def test_pickled_arguments_and_results(self) -> None:
        arguments = pickle.dumps(((1, {2, 3}), {"four": 4j}))
        code, result = self.run_to_end(function("targets:echo", "pickle", "pickle"), arguments)
        self.assertEqual((code, result["encoding"]), (0, "pickle"))
        self.assertEqual(pickle.loads(result["data"]), [[1, {2, 3}], {"four": 4j}])

    def test_raw_arguments_and_results(self) -> None:
        data = bytes(range(256))
        _code, result = self.run_to_end(function("targets:give_back", "raw", "raw"), data)
        self.assertEqual(result["data"], data)

    def test_an_async_function_is_awaited(self) -> None:
        self.assertEqual(self.start("targets:later", b"[5]").value(), 5)

    def test_an_exception_is_the_result_and_is_on_stderr(self) -> None:
        result = self.raised("targets:refuse", '["täglich"]'.encode())
        self.assertEqual((result["type"], result["message"]), ("ValueError", "täglich"))
        for text in (result["traceback"], self.last.stderr()):
            self.assertIn('targets.py", line', text)
            self.assertIn("ValueError: täglich", text)
            self.assertNotIn("_forkbus_zygote", text)
        self.assertEqual((result["encoding"], result["bytes"]), ("", 0))

    def test_an_exception_is_pickled_for_those_who_pickle(self) -> None:
        result = self.raised(function("targets:refuse", result="pickle"), b'["no"]')
        self.assertEqual(result["encoding"], "pickle")
        error = pickle.loads(result["data"])
        self.assertEqual((type(error), str(error)), (ValueError, "no"))

    def test_an_exception_that_no_pickle_can_hold_is_told_in_words(self) -> None:
        result = self.raised(function("targets:raise_odd", result="pickle"))
        self.assertEqual((result["type"], result["encoding"], result["bytes"]), ("targets.Odd", "", 0))

    def test_texts_are_cut(self) -> None:
        result = self.raised(function("targets:refuse", "raw"), b"\xc3" * 200_000)
        self.assertEqual(len(result["message"].encode()), 64 * 1024)
        self.assertEqual(len(result["traceback"].encode()), 64 * 1024)

    def test_a_result_may_have_two_mebibytes_and_no_more(self) -> None:
        most = 2 * 1024 * 1024
        target = function("targets:blob", result="raw")
        _code, result = self.run_to_end(target, b"[%d]" % most)
        self.assertEqual((result["kind"], len(result["data"])), ("value", most))
        self.assertEqual(self.raised(target, b"[%d]" % (most + 1))["type"], "ResultTooLarge")

    def test_a_result_that_cannot_be_encoded(self) -> None:
        for encoding in ("json", "pickle", "raw", "smoke"):
            result = self.raised(function("targets:unserialisable" if encoding != "pickle" else "targets:lock", result=encoding))
            self.assertEqual(result["type"], "BadResult", encoding)
            self.assertIn(encoding, result["message"])
            for text in (result["traceback"], self.last.stderr()):
                self.assertIn("\nBadResult: ", "\n" + text)
                self.assertNotIn("_forkbus_zygote", text)

    def test_a_result_that_there_is_no_room_for(self) -> None:
        small = [[resource.RLIMIT_FSIZE, "2000", "2000"]]
        result = self.raised(function("targets:blob", result="raw"), b"[5000]", rlimits=small)
        self.assertEqual((result["type"], result["traceback"]), ("ResultLost", ""))
        self.assertEqual(result["message"], "What the function returned could not be written: File too large")
        self.assertIn("could not be written", self.last.stderr())

    def test_an_exception_that_there_is_no_room_for_is_cut(self) -> None:
        small = [[resource.RLIMIT_FSIZE, "2000", "2000"]]
        result = self.raised(function("targets:refuse", result="pickle"), b'["%s"]' % (b"x" * 5000), rlimits=small)
        self.assertEqual((result["type"], result["message"], result["encoding"]), ("ValueError", "x" * 256, ""))

    def test_of_a_result_there_may_be_room_for_nothing(self) -> None:
        none = [[resource.RLIMIT_FSIZE, "0", "0"]]
        self.assertEqual(self.run_to_end("targets:echo", rlimits=none), (1, None))

    def test_what_is_json_for_python_alone_is_not_json(self) -> None:
        result = self.raised(function("targets:give_back", "pickle"), pickle.dumps(((float("nan"),), {})))
        self.assertEqual(result["type"], "BadResult")

    def test_arguments_that_cannot_be_decoded(self) -> None:
        for encoding, data in (
            ("json", b"{"),
            ("json", b"\xff"),
            ("json", b"7"),
            ("pickle", b"not a pickle"),
            ("pickle", pickle.dumps([1])),
            ("pickle", pickle.dumps((1, {}))),
            ("smoke", b"x"),
        ):
            result = self.raised(function("targets:echo", encoding), data)
            self.assertEqual(result["type"], "BadArguments", data)

    def test_a_target_that_does_not_exist(self) -> None:
        for name, kind, word in (
            ("nowhere:f", "ModuleNotFoundError", "nowhere"),
            ("targets:missing", "AttributeError", "missing"),
            ("targets:CALLS", "TypeError", "list"),
            ("targets", "ValueError", "module:function"),
            ("main:_run", "ModuleNotFoundError", "main"),
        ):
            result = self.raised(name)
            self.assertEqual(result["type"], kind, name)
            self.assertIn(word, result["message"])

    def test_a_worker_that_exits_by_itself_leaves_no_result(self) -> None:
        for data, code in ((b"[7]", 7), (b"[null]", 0), (b"[256]", 0), (b'["a word"]', 1)):
            self.assertEqual(self.run_to_end("targets:leave", data), (code, None))
        self.assertIn("a word", self.last.stderr())

    def test_a_worker_ends_as_a_program_does(self) -> None:
        self.assertEqual(self.run_to_end("targets:leave_with_thread")[0], 0)
        self.assertEqual(self.last.stdout(), "begin\nreturnedthread\natexit\n")

    def test_the_interpreter_looks_as_if_it_had_been_started_for_the_target(self) -> None:
        seen = self.start("targets:surroundings").value()
        self.assertEqual(seen["argv"], ["targets:surroundings"])
        self.assertEqual(seen["main"], [])
        self.assertEqual(seen["path"][0], MODULES)
        self.assertEqual([each for each in seen["path"] if "zygotes/python" in each], [MODULES])
        self.assertEqual(seen["files"], [0, 1, 2, 3, 4])
        self.assertEqual((seen["cmdline"], seen["comm"]), ("forkbus: test", "test"))
        self.assertEqual(seen["session"], self.last_started.pid)
        self.assertTrue(seen["collectors"])

    def test_a_worker_knows_who_it_is(self) -> None:
        process = self.start("targets:handle")
        self.assertEqual(process.value(), [process.id, "test", [], {}])

    def test_functions_and_classes_of_the_clients_own_script(self) -> None:
        code = (
            "import runpy, sys, pickle\n"
            f"sys.path.insert(0, {MODULES!r}); import client_main\n"
            "main = sys.modules['__main__']; main.Pair = client_main.Pair; main.Pair.__module__ = '__main__'\n"
            "sys.stdout.buffer.write(pickle.dumps(((main.Pair(3, 4),), {})))\n"
        )
        import subprocess

        arguments = subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.PIPE).stdout
        main = os.path.join(MODULES, "client_main.py")
        target = function("__main__:add", "pickle", "json")
        process = self.start(target, arguments, mainPath=main)
        self.assertEqual(process.value(), 7)
        self.assertEqual(process.stdout(), "")
        _code, result = self.run_to_end(function("__main__:swap", "pickle", "pickle"), arguments, mainPath=main)
        self.assertIn(b"__mp_main__", result["data"])

    def test_a_main_script_that_is_not_there(self) -> None:
        self.assertEqual(self.raised("targets:echo", mainPath="/nowhere/app.py")["type"], "FileNotFoundError")

    def test_a_program_that_gives_our_files_away_keeps_its_own(self) -> None:
        database = self.place / "database"
        code, result = self.run_to_end("targets:give_up_files", env={**os.environ, "DATABASE": str(database)})
        self.assertEqual((code, result), (0, None))
        self.assertEqual(database.read_text(), "mine")
        self.assertIn("the result is lost", self.last.stderr())

    def test_output_is_there_as_it_is_written_and_nothing_is_lost(self) -> None:
        process = self.start("builtins:print", b'["line"]')
        process.wait()
        self.assertEqual(process.stdout(), "line\n")


class ForkedCalls(Calls, ZygoteCase):
    def start(self, target: Any, arguments: bytes = b"", **more: Any) -> Process:
        if not hasattr(self, "server"):
            self.server = self.zygote("asyncio", "targets")
        spec = self.keeper.work(target, searchPath=[MODULES], **more)
        self.last_started = self.keeper.fork(self.server, spec, arguments)
        return self.last_started


class SpawnedCalls(Calls, ZygoteCase):
    def start(self, target: Any, arguments: bytes = b"", **more: Any) -> Process:
        env = more.pop("env", None)
        spec = self.keeper.work(target, searchPath=[MODULES], **more)
        self.last_started = self.keeper.spawn(spec, arguments, env)
        self.last_started.expect("S")
        return self.last_started

    def test_preloads_and_init_of_its_template_are_loaded_first(self) -> None:
        init = function("preload_registers:warm_up", data="WzVd")
        state, _exists, _name = self.start("preload_registers:state", preload=["preload_registers"], init=init).value()
        self.assertEqual(state, [[5]])


if __name__ == "__main__":
    unittest.main()
