"""The standard library in memory.

componentize-py has the library's files while it makes the component, and no longer when the component runs. All modules
are compiled then, and kept as compressed code: about 9 MB, and a few milliseconds at the first import of a large one.
"""

import importlib
import importlib.machinery
import importlib.abc
import marshal
import os
import sys
import zlib

# Where componentize-py puts the library's files while it makes the component.
BUILD_DIRECTORY = "/python"

# Of no use in a function, or unable to work here: tests, GUI, tools that need files of their own.
LEFT_OUT = {
    "__pycache__", "__phello__", "curses", "ensurepip", "idlelib", "lib2to3", "pydoc_data", "site-packages", "test",
    "tests", "tkinter", "turtledemo", "venv",
}


class StandardLibrary(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """Finds and loads the modules that `pack` took in."""

    def __init__(self):
        # Name → whether it is a package, and its code: marshalled, compressed.
        self.modules: dict[str, tuple[bool, bytes]] = {}

    def pack(self, directory: str, prefix: str = "") -> None:
        for name in sorted(os.listdir(directory)):
            path = f"{directory}/{name}"
            if name in LEFT_OUT or f"{prefix}{name}" == "ssl.py" or name.startswith("config-"):
                continue
            if os.path.isdir(path):
                if os.path.exists(f"{path}/__init__.py"):
                    self.pack(path, f"{prefix}{name}.")
            elif name.endswith(".py"):
                module = f"{prefix}{name.removesuffix('.py')}".removesuffix(".__init__")
                with open(path, "rb") as file:
                    self.add(module, file.read(), path)

    def add(self, module: str, source: bytes, path: str) -> None:
        code = compile(source, path, "exec", dont_inherit=True)
        self.modules[module] = (path.endswith("/__init__.py"), zlib.compress(marshal.dumps(code), 9))

    def find_spec(self, fullname, path=None, target=None):
        if fullname not in self.modules:
            return None
        is_package = self.modules[fullname][0]
        file = fullname.replace(".", "/") + ("/__init__.py" if is_package else ".py")
        origin = f"{BUILD_DIRECTORY}/{file}"
        spec = importlib.machinery.ModuleSpec(fullname, self, origin=origin, is_package=is_package)
        spec.has_location = True
        if is_package:
            spec.submodule_search_locations = [origin.removesuffix("/__init__.py")]
        return spec

    def is_package(self, fullname):
        return self.modules[fullname][0]

    def get_code(self, fullname):
        return marshal.loads(zlib.decompress(self.modules[fullname][1]))

    def exec_module(self, module):
        super().exec_module(module)
        # Not before everything that is patched is there.
        from . import patches

        patches.after_import(module)

    def get_source(self, fullname):
        return None


library = StandardLibrary()


# Imported while the component is made, because nearly every function needs some of them: a function that imports one
# loads so much faster, and pages of memory that it does not touch cost an instance nothing.
PRELOADED = """
    argparse array ast asyncio base64 bisect calendar collections.abc concurrent.futures configparser contextlib
    contextvars copy csv dataclasses datetime decimal difflib email.message email.mime.multipart email.mime.text
    email.parser email.utils encodings.ascii encodings.big5 encodings.gb18030 encodings.gbk encodings.idna
    encodings.latin_1 encodings.utf_16 enum fractions functools gc glob gzip hashlib heapq hmac html html.parser
    http.client http.cookiejar http.cookies http.server importlib.metadata importlib.readers importlib.resources
    inspect io ipaddress itertools json linecache locale logging logging.config logging.handlers math mimetypes
    numbers operator os pathlib pickle pkgutil platform pprint queue random re secrets select selectors shutil
    signal socket sqlite3 stat statistics string struct subprocess tempfile textwrap threading time traceback types
    typing unicodedata unittest.mock urllib.error urllib.parse urllib.request uuid warnings weakref
    xml.etree.ElementTree zipfile zlib zoneinfo _strptime
""".split()


def preload() -> None:
    for name in PRELOADED:
        importlib.import_module(name)


def take_in() -> None:
    """While the component is made: takes the library in. From then on nothing is imported from files."""
    library.pack(BUILD_DIRECTORY)
    # What `from wisp import Context` finds, as editors do in `types/`; a module of the function's own comes first.
    library.add("wisp", b"from wisp_runtime.context import *", f"{BUILD_DIRECTORY}/wisp.py")
    sys.path[:] = []
    sys.path_importer_cache.clear()
    sys.meta_path.append(library)
    hand_over()
    sys.dont_write_bytecode = True


def hand_over() -> None:
    """Modules that are imported already were loaded from files; whoever loads one of them again, as Markdown does with
    `html.parser`, asks its loader."""
    for name, module in list(sys.modules.items()):
        if name in library.modules and getattr(module, "__spec__", None) is not None:
            module.__spec__.loader = module.__loader__ = library
