import os
import re
import tempfile
import urllib.parse
import zipfile

from report import crc64, has, package, package_bytes, plain, recent, same
from steps_2016.shared import attempt, clashes, refusal, refused

SERVICE = "py2-functions"
FULL = {
    "description": "a function with everything",
    "runtime": "python3.10",
    "handler": "index.handler",
    "memorySize": 512,
    "timeout": 10,
    "initializer": "index.initializer",
    "initializationTimeout": 60,
    "environmentVariables": {"GREETING": "hello"},
    "instanceConcurrency": 1,
    "instanceType": "e1",
}


def run(step, fc, _client):
    attempt(lambda: fc.create_service(SERVICE))
    code = package_bytes("misbehave")

    @step("create_function takes a zip file, and get_function reads back every field")
    def _():
        made = fc.create_function(SERVICE, "full", codeZipFile=package("misbehave"), **FULL)
        has(made.data, {**FULL, "functionName": "full", "codeSize": len(code), "codeChecksum": crc64(code)})
        assert made.headers["etag"]
        recent(made.data["createdTime"], "createdTime")
        has(fc.get_function(SERVICE, "full").data, FULL)
        has(fc.get_function(SERVICE, "full", qualifier="LATEST").data, FULL)

    @step("create_function packs a directory, whose component is served")
    def _():
        with tempfile.TemporaryDirectory() as directory:
            with zipfile.ZipFile(package("event")) as archive:
                archive.extractall(directory)
            os.mkdir(os.path.join(directory, "notes"))
            with open(os.path.join(directory, "notes", "read-me.txt"), "w", encoding="utf-8") as file:
                file.write("a file beside the component")
            made = fc.create_function(SERVICE, "packed", "custom", "index.handler", codeDir=directory)
        has(made.data, {"memorySize": 256, "timeout": 60, "initializationTimeout": 30})
        same(fc.invoke_function(SERVICE, "packed", b"there and back").data, b"there and back")

    @step("update_function changes what it is given and nothing else, if the etag is right")
    def _():
        etag = fc.get_function(SERVICE, "full").headers["etag"]
        refused(lambda: fc.update_function(SERVICE, "full", timeout=5, headers={"if-match": "stale"}), 412, "PreconditionFailed")
        changed = fc.update_function(SERVICE, "full", timeout=20, environmentVariables={"GREETING": "bye"}, headers={"if-match": etag})
        has(changed.data, {**FULL, "timeout": 20, "environmentVariables": {"GREETING": "bye"}, "codeChecksum": crc64(code)})
        same(fc.invoke_function(SERVICE, "full", b"env:GREETING").data, b"bye")
        fc.update_function(SERVICE, "full", codeZipFile=package("event"))
        same(fc.invoke_function(SERVICE, "full", b"trap").data, b"trap")

    @step("get_function_code gives a URL that has the bytes that were sent")
    def _():
        data = fc.get_function_code(SERVICE, "full").data
        same(data["checksum"], fc.get_function(SERVICE, "full").data["codeChecksum"])
        url = urllib.parse.urlsplit(data["url"])
        answer = plain(data["url"], f"{url.path}?{url.query}")
        assert answer.status == 200 and answer.body == package_bytes("event"), f"{answer.status}, {len(answer.body)} bytes"

    @step("list_functions is ordered by name and pages by limit and nextToken")
    def _():
        def names(page):
            return [it["functionName"] for it in page.data["functions"]]

        first = fc.list_functions(SERVICE, limit=1)
        same(names(first), ["full"])
        same(names(fc.list_functions(SERVICE, limit=1, nextToken=first.data["nextToken"])), ["packed"])
        same(names(fc.list_functions(SERVICE, prefix="p")), ["packed"])
        same(names(fc.list_functions(SERVICE, startKey="g", qualifier="LATEST")), ["packed"])

    @step("what is wrong with a function is named")
    def _():
        def create(name="bad", **settings):
            settings = {"runtime": "custom", "handler": "h", "codeZipFile": package("misbehave"), **settings}
            return lambda: fc.create_function(SERVICE, name, **settings)

        refused(create("full"), 409, "FunctionAlreadyExists", re.compile("full"))
        refused(create("1st"), 400, "InvalidArgument", re.compile("1st"))
        refused(create(memorySize=100), 400, "InvalidArgument", re.compile("(?i)memorySize"))
        refused(create(runtime="cobol"), 400, "InvalidArgument", re.compile("Runtime is set to an invalid value"))
        refused(create(codeZipFile=package("broken")), 400, "InvalidArgument", re.compile("WebAssembly"))
        refused(create(codeZipFile=package("traversal")), 400, "InvalidArgument")
        refused(create(codeZipFile=None, codeOSSBucket="bucket", codeOSSObject="object"), 400, "InvalidArgument", re.compile("(?i)oss|bucket"))
        refused(lambda: fc.get_function(SERVICE, "none"), 404, "FunctionNotFound", f"function 'none' does not exist in service '{SERVICE}'")
        refused(lambda: fc.delete_function(SERVICE, "none"), 404, "FunctionNotFound")

    @step("a container image is kept and read back, and an invocation says that it does not run")
    def _():
        container = {"image": "registry.example/image", "command": '["/run"]', "args": '["-v"]'}
        fc.create_function(SERVICE, "image", "custom-container", "h", customContainerConfig=container, caPort=9001)
        has(fc.get_function(SERVICE, "image").data, {"customContainerConfig": container, "caPort": 9001, "runtime": "custom-container"})
        said = refusal(lambda: fc.invoke_function(SERVICE, "image", b"x"))
        assert said.status_code >= 400 and "container image" in said.message, f"{said.status_code} {said.message}"
        fc.delete_function(SERVICE, "image")

    @step("a service that has functions is not deleted; delete_function takes them away")
    def _():
        clashes(lambda: fc.delete_service(SERVICE), "function")
        refused(lambda: fc.delete_function(SERVICE, "full", headers={"if-match": "stale"}), 412, "PreconditionFailed")
        for name in ("full", "packed"):
            fc.delete_function(SERVICE, name)
            refused(lambda: fc.get_function(SERVICE, name), 404, "FunctionNotFound")
        fc.delete_service(SERVICE)
