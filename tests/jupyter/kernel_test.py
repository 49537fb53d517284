# SPDX-License-Identifier: GPL-3.0-or-later
"""jupyter_kernel_test over the kernel; tests/jupyter/run calls it.

Of the suite's tests two have nothing to test here: nothing is paged, and nothing that is shown is taken away again. Two are
asked in our way: an answer is a display that grows, since an execute_result would show it twice, and what is said on stderr
belongs to a cell that fails in the end."""
import os
import unittest

import jupyter_kernel_test as jkt

SAMPLES = os.environ["PHISCOPE_SAMPLES"]


class Kernel(jkt.KernelTests):
    kernel_name = "phiscope"
    language_name = "phiscope"
    file_extension = ".phi"
    code_hello_world = ":system hello, world\n:system"
    completion_samples = [{"text": ":loa", "matches": {":load"}}, {"text": ":set temp", "matches": {"temperature"}}]
    complete_code_samples = ["What is this?", ":load a.png", '"""two\nlines"""']
    incomplete_code_samples = ['"""two', "a line \\"]
    code_generate_error = ":nonsense"
    code_display_data = [
        {"code": ":unstage\nHello", "mime": "text/markdown"},
        {"code": f":load {SAMPLES}/chart.png", "mime": "image/png"},
    ]
    code_execute_result = [{"code": f":unstage\n:load {SAMPLES}/chart.png\nWhat is the highest value?"}]
    code_inspect_sample = ":load"
    supported_history_operations = ("tail", "range", "search")
    code_history_pattern = "*highest value*"

    def setUp(self):
        super().setUp()
        self.kc.allow_stdin = False  # as programs that run notebooks ask

    def test_answer_in_a_console(self):
        self.kc.allow_stdin = True
        self.flush_channels()
        _, shown = self.execute_helper(code=self.code_execute_result[0]["code"])
        said = "".join(m["content"]["text"] for m in shown if m["msg_type"] == "stream")
        self.assertIn("64", said.replace("640x480", ""))
        self.assertNotIn("update_display_data", [m["msg_type"] for m in shown])

    def test_execute_result(self):
        self.flush_channels()
        _, shown = self.execute_helper(code=self.code_execute_result[0]["code"])
        answer = [m for m in shown if m["msg_type"] == "update_display_data"][-1]["content"]
        first = [m for m in shown if m["content"].get("transient") == answer["transient"]][0]
        self.assertEqual(first["msg_type"], "display_data")
        self.assertIn("64", answer["data"]["text/plain"])
        self.assertEqual(answer["data"]["text/plain"], answer["data"]["text/markdown"])

    def test_execute_stderr(self):
        self.flush_channels()
        reply, shown = self.execute_helper(code=f':foreach {SAMPLES}/gone.png {SAMPLES}/chart.png "What?"')
        self.assertEqual(reply["content"]["status"], "error")
        said = [m["content"] for m in shown if m["msg_type"] == "stream" and m["content"]["name"] == "stderr"]
        self.assertIn("gone.png", said[0]["text"])


class Welcome(jkt.IopubWelcomeTests):
    kernel_name = "phiscope"
    support_iopub_welcome = True


if __name__ == "__main__":
    unittest.main(verbosity=2)
