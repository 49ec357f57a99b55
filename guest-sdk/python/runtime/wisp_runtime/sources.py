"""The user's files in memory, so that a component stands alone once it is built.

The text of every Python file is kept: a module that was not imported yet can be imported later, and tracebacks show
lines. Data files are not kept: they are read from the code directory, where the host shows it to the instance.
"""

import importlib.abc
import importlib.machinery
import importlib.metadata
import importlib.util
import os
import sys

from . import failures, patches

# Vendored packages: beside the sources, as FC's layers have them, and where the builder installs `requirements.txt`.
PACKAGE_DIRECTORIES = ("site-packages", "python", ".wisp/site-packages")

# The host's own, beside the sources unless it is set otherwise: it lets a guest open the packages in it and nothing else.
DATA_DIRECTORY = ".wisp"

# Where FC mounts layers, and where the host shows packages that it has installed elsewhere.
LAYER_DIRECTORY = "/opt/python"

# Not the function's code.
IGNORED = {"__pycache__", "node_modules", "venv"}

# Sources that take more are no function's: a whole environment was copied in. Each MB of them is one of the component.
LIMIT_BYTES = 48 << 20

NATIVE_SUFFIXES = (".so", ".pyd", ".dylib")

# Of an installed package: its name, version and entry points.
METADATA_FILES = {"METADATA", "entry_points.txt", "top_level.txt"}


class SourceTree:
    """The Python files of one directory and all below it, by their absolute paths."""

    def __init__(self):
        self.root = ""
        self.files: dict[str, bytes] = {}
        self.directories: set[str] = set()
        # Native modules that cannot be loaded, by the path without suffixes: `/code/numpy/_core/_umath`.
        self.native: dict[str, str] = {}
        self.size = 0

    def take_in(self, root: str, translated: dict[str, str]) -> None:
        """Reads all files below `root`. `translated` has texts to take in place of what is in a file."""
        self.root = root.rstrip("/") or "/"
        self._take_in_directory(self.root, ())
        if os.path.isdir(LAYER_DIRECTORY):
            self._take_in_directory(LAYER_DIRECTORY, ())
        for path, text in translated.items():
            self._add(path, text.encode())

    def _take_in_directory(self, directory: str, above: tuple) -> None:
        """`above` has the directories that this one is in: a link to one of them would have no end."""
        status = os.stat(directory)
        identity = status.st_dev, status.st_ino
        if identity in above:
            return
        self.directories.add(directory)
        with os.scandir(directory) as entries:
            for entry in sorted(entries, key=lambda it: it.name):
                try:
                    self._take_in(directory, entry, (*above, identity))
                except FileNotFoundError:
                    # Gone since it was listed, or the host's own, of which it shows the name alone.
                    continue
                except OSError:
                    # A link that leads nowhere, or out of the sources, where the host lets nobody look.
                    if not entry.is_symlink():
                        raise

    def _take_in(self, directory: str, entry, above: tuple) -> None:
        path = f"{directory}/{entry.name}"
        if entry.is_dir():
            if self._is_code(directory, path, entry.name):
                self._take_in_directory(path, above)
        elif entry.name.endswith(".py") or self._is_metadata(directory, entry.name):
            with open(path, "rb") as file:
                self._add(path, file.read())
        elif entry.name.endswith(NATIVE_SUFFIXES):
            self.native[f"{directory}/{entry.name.split('.')[0]}"] = path

    def _is_code(self, directory: str, path: str, name: str) -> bool:
        if directory == f"{self.root}/{DATA_DIRECTORY}":
            return path in self._package_directories()
        return name not in IGNORED and (not name.startswith(".") or path == f"{self.root}/{DATA_DIRECTORY}")

    def _package_directories(self) -> list[str]:
        return [f"{self.root}/{name}" for name in PACKAGE_DIRECTORIES]

    @staticmethod
    def _is_metadata(directory: str, name: str) -> bool:
        return name in METADATA_FILES and directory.endswith((".dist-info", ".egg-info"))

    def _add(self, path: str, text: bytes) -> None:
        self.size += len(text) - len(self.files.get(path, b""))
        self.files[path] = text
        if self.size > LIMIT_BYTES:
            raise failures.LoadError(
                "SourcesTooLarge",
                f"the Python files in {self.root} take more than {LIMIT_BYTES >> 20} MB; the largest directories are"
                f" {', '.join(self._largest_directories())}. Leave out what the function does not import",
            )

    def _largest_directories(self) -> list[str]:
        sizes: dict[str, int] = {}
        for path, text in self.files.items():
            below = path.removeprefix(f"{self.root}/").split("/")[:-1]
            name = "/".join(below[:2] if below[:1] and below[0] in PACKAGE_DIRECTORIES else below[:1])
            sizes[name] = sizes.get(name, 0) + len(text)
        largest = sorted(sizes.items(), key=lambda it: -it[1])[:3]
        return [f"{name or '.'} ({size >> 20} MB)" for name, size in largest if size >> 20]

    def has(self, path: str) -> bool:
        return path in self.files

    def lines(self, path: str) -> list[str] | None:
        """The lines of a file for tracebacks; None if it is none of the user's."""
        text = self.files.get(path)
        return None if text is None else importlib.util.decode_source(text).splitlines(True)

    def search_path(self) -> list[str]:
        """What `sys.path` begins with."""
        found = [self.root]
        for directory in (*self._package_directories(), LAYER_DIRECTORY):
            if directory in self.directories:
                found += [directory, *self._nested_packages(directory)]
        return found

    def _nested_packages(self, directory: str) -> list[str]:
        """`python/lib/python3.10/site-packages`, as FC's layers have it."""
        beginning = f"{directory}/lib/python"
        return sorted(it for it in self.directories if it.startswith(beginning) and it.endswith("/site-packages"))


class TreeLoader(importlib.abc.SourceLoader):
    """Loads one module from the tree."""

    def __init__(self, name: str, path: str):
        self.name = name
        self.path = path

    def get_filename(self, fullname):
        return self.path

    def get_data(self, path):
        text = tree.files.get(path)
        if text is not None:
            return text
        with open(path, "rb") as file:
            return file.read()

    def exec_module(self, module):
        super().exec_module(module)
        patches.after_import(module)

    def get_resource_reader(self, name):
        from importlib.readers import FileReader

        return FileReader(self)


class TreeFinder:
    """Finds modules in one directory of the tree, for `sys.path`."""

    def __init__(self, directory: str):
        directory = directory.rstrip("/") or "/"
        if directory not in tree.directories:
            raise ImportError(f"{directory} is not in the function's sources", path=directory)
        self.directory = directory

    def find_spec(self, fullname, target=None):
        path = f"{self.directory}/{fullname.rpartition('.')[2]}"
        if f"{path}/__init__.py" in tree.files:
            return self._spec(fullname, f"{path}/__init__.py", [path])
        if f"{path}.py" in tree.files:
            return self._spec(fullname, f"{path}.py", None)
        if path in tree.directories:
            spec = importlib.machinery.ModuleSpec(fullname, None, is_package=True)
            spec.submodule_search_locations = [path]
            return spec
        return None

    @staticmethod
    def _spec(fullname, path, locations):
        loader = TreeLoader(fullname, path)
        make = importlib.util.spec_from_file_location
        return make(fullname, path, loader=loader, submodule_search_locations=locations)

    def iter_modules(self, prefix=""):
        """What `pkgutil.iter_modules` and `walk_packages` ask: (name, whether it is a package) of each module."""
        beginning = f"{self.directory.rstrip('/')}/"
        found = {}
        for path in tree.files:
            if path.startswith(beginning):
                name, _, rest = path.removeprefix(beginning).partition("/")
                if rest == "__init__.py":
                    found[name] = True
                elif not rest and name.endswith(".py") and name != "__init__.py":
                    found.setdefault(name.removesuffix(".py"), False)
        return [(prefix + name, found[name]) for name in sorted(found) if "." not in name]

    def invalidate_caches(self):
        pass


class TreeDistribution(importlib.metadata.Distribution):
    """An installed package in the tree: its version and entry points."""

    def __init__(self, directory: str):
        self.directory = directory

    def read_text(self, filename):
        text = tree.files.get(f"{self.directory}/{filename}")
        return None if text is None else text.decode()

    def locate_file(self, path):
        import pathlib

        return pathlib.PurePosixPath(self.directory).parent / path


class TreeDistributions(importlib.metadata.DistributionFinder):
    """Finds installed packages for `importlib.metadata`."""

    def find_spec(self, fullname, path=None, target=None):
        return None

    def find_distributions(self, context=importlib.metadata.DistributionFinder.Context()):
        wanted = None if context.name is None else importlib.metadata.Prepared.normalize(context.name)
        for directory in sorted(tree.directories):
            name, _, suffix = directory.rpartition("/")[2].rpartition(".")
            if suffix in ("dist-info", "egg-info"):
                if wanted is None or importlib.metadata.Prepared.normalize(name.split("-")[0]) == wanted:
                    yield TreeDistribution(directory)


tree = SourceTree()


def install(root: str, translated: dict[str, str]) -> None:
    """Takes the sources in and makes them importable, before everything else."""
    tree.take_in(root, translated)
    sys.path_hooks.insert(0, TreeFinder)
    sys.path_importer_cache.clear()
    sys.path[:] = [*tree.search_path(), *os.environ.get("PYTHONPATH", "").split(":")]
    sys.path[:] = list(dict.fromkeys(it for it in sys.path if it))
    sys.meta_path.insert(0, TreeDistributions())
