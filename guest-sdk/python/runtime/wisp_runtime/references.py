"""`file.function`, as FC configures handlers, initializers and hooks; or a file, which is a script.

The part before the last dot is a module below the sources' directory; dots and slashes in it are directories.
"""

import importlib

from .failures import LoadError
from .scripts import Script
from .sources import tree

# Where a handler is looked for if none is configured, in this order: files first, as a directory has one of them.
ENTRY_MODULES = ("index", "main", "app", "handler", "wsgi", "asgi")
ENTRY_NAMES = ("handler", "app", "application", "main_handler", "main")


class Reference:
    """A name in a module of the function's, not imported yet."""

    def __init__(self, text: str):
        module, dot, self.name = text.rpartition(".")
        self.module = module.replace("/", ".").strip(".")
        self.text = text
        if not dot or not self.module or not self.name.isidentifier():
            message = f"Invalid handler '{text}': it is written file.function, such as index.handler"
            raise LoadError("InvalidHandleName", message)

    def path(self) -> str | None:
        """The module's file, None if there is none."""
        base = f"{tree.root}/{self.module.replace('.', '/')}"
        return next((it for it in (f"{base}.py", f"{base}/__init__.py") if tree.has(it)), None)

    def resolve(self):
        """The object. Runs the module if it was not imported yet."""
        module = import_module(self.module)
        if not hasattr(module, self.name):
            raise LoadError("HandlerNotFound", f"Handler '{self.name}' is missing on module '{self.module}'")
        return getattr(module, self.name)


class ScriptReference:
    """A file that is run as a whole, not compiled yet."""

    def __init__(self, path: str):
        self.file = path

    def resolve(self) -> Script:
        return Script(self.file, compile(parse(self.file), self.file, "exec"))


def refer(text: str) -> Reference | ScriptReference:
    """What a configured handler names."""
    path = f"{tree.root}/{text}"
    return ScriptReference(path) if text.endswith(".py") and tree.has(path) else Reference(text)


def find_entry() -> Reference | ScriptReference:
    """The handler of a function that names none; without one, a file that wants to be run."""
    for module in entry_modules():
        reference = Reference(f"{module}.handler")
        path = reference.path()
        if path is not None:
            names = defined_names(path)
            for name in ENTRY_NAMES:
                if name in names:
                    return Reference(f"{module}.{name}")
    files = (f"{tree.root}/{module}.py" for module in ENTRY_MODULES)
    for path in files:
        if tree.has(path) and is_script(path):
            return ScriptReference(path)
    looked = ", ".join(f"{it}.py" for it in ENTRY_MODULES)
    raise LoadError(
        "HandlerNotFound",
        f"There is no handler: none of {looked} in {tree.root} defines {', '.join(ENTRY_NAMES)}, or is a script with"
        " `if __name__ == '__main__'`. Name it in `handler`, such as index.handler or script.py",
    )


def entry_modules() -> list[str]:
    # Django puts wsgi.py one directory down.
    below = sorted(it for it in tree.directories if it.rpartition("/")[0] == tree.root)
    pairs = ((it, name) for it in below for name in ("wsgi", "asgi") if tree.has(f"{it}/{name}.py"))
    return [*ENTRY_MODULES, *(f"{it.rpartition('/')[2]}.{name}" for it, name in pairs)]


def defined_names(path: str) -> set[str]:
    """What a file defines at its top level."""
    import ast

    names: set[str] = set()
    for statement in parse(path).body:
        match statement:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                names.add(statement.name)
            case ast.Assign():
                names.update(it.id for it in statement.targets if isinstance(it, ast.Name))
            case ast.AnnAssign(target=ast.Name(id=name)):
                names.add(name)
            case ast.ImportFrom() | ast.Import():
                names.update(it.asname or it.name for it in statement.names)
    return names


def is_script(path: str) -> bool:
    """Whether a file says what is to be done when it is run: `if __name__ == "__main__"`."""
    import ast

    tests = [it.test for it in parse(path).body if isinstance(it, ast.If)]
    names = [{each.id for each in ast.walk(test) if isinstance(each, ast.Name)} for test in tests]
    return any("__name__" in each for each in names)


def parse(path: str):
    import ast

    try:
        return ast.parse(tree.files[path], path)
    except SyntaxError as error:
        raise syntax_error(path.rpartition("/")[2].removesuffix(".py"), error) from error


def import_module(name: str):
    try:
        return importlib.import_module(name)
    except LoadError:
        raise
    except SyntaxError as error:
        raise syntax_error(name, error) from error
    except ImportError as error:
        if isinstance(error, ModuleNotFoundError) and error.name is not None and is_prefix(error.name, name):
            file = f"{name.replace('.', '/')}.py"
            message = f"Unable to import module '{name}': there is no {file} in {tree.root}"
            raise LoadError("ImportModuleError", message) from None
        raise LoadError("ImportModuleError", f"Unable to import module '{name}': {with_advice(error)}") from error
    except Exception as error:
        raise LoadError("UserCodeError", f"Module initialization error: '{type(error).__name__}: {error}'") from error
    except SystemExit as error:
        raise LoadError("UserCodeError", f"Module initialization error: sys.exit({error.code!r}) was called") from error


def is_prefix(missing: str, name: str) -> bool:
    return name == missing or name.startswith(f"{missing}.")


def with_advice(error: ImportError) -> str:
    from . import native_packages

    hint = native_packages.hint(error)
    if hint is None and isinstance(error, ModuleNotFoundError) and error.name:
        hint = f"If {error.name.partition('.')[0]} is a package, put it into requirements.txt"
    return f"{error}. {hint}" if hint else str(error)


def syntax_error(module: str, error: SyntaxError) -> LoadError:
    return LoadError("UserCodeSyntaxError", f"Syntax error in module '{module}': {error}")
