import re

from alibabacloud_fc20230330 import models

from steps_2023.shared import attempt, call, code, refused


def run(step, fc, _client):
    def create(name, runtime, handler, package):
        body = models.CreateFunctionInput(function_name=name, runtime=runtime, handler=handler, code=code(package))
        return fc.create_function(models.CreateFunctionRequest(body=body))

    @step("a zip with main.py is built and served")
    def _():
        create("py3-py", "python3.10", "main.handler", "sources-py")
        assert call(fc, "py3-py", b"x") == "main.py was told x"

    @step("a zip with index.js is built and served")
    def _():
        create("py3-js", "nodejs20", "index.handler", "sources-js")
        assert call(fc, "py3-js", b"x") == "index.js was told x and has data"

    @step("what is wrong with sources is told with file and line, and the packages that are not there")
    def _():
        wrong = "py3-wrong"
        refused(lambda: create(wrong, "python3.10", "main.handler", "sources-py-broken"), 400, "InvalidArgument", re.compile(r"main\.py:2"))
        lacking = re.compile(r"nowhere_to_be_found.*pip install --target", re.DOTALL)
        refused(lambda: create(wrong, "python3.10", "main.handler", "sources-py-packages"), 400, "InvalidArgument", lacking)

    for name in ["py3-py", "py3-js"]:
        attempt(lambda: fc.delete_function(name))
