"""Packages that cannot work because their code is native, and what to use in their place.

`native_packages.json` beside this file is also for the host's builder and for people.
"""

import json

with open(__file__.replace(".py", ".json")) as file:
    # Import name → {"package": name on PyPI, "" for the standard library's own, "instead": what to use, or ""}.
    known: dict[str, dict[str, str]] = json.load(file)


def hint(error: ImportError) -> str | None:
    """What to do about an import that failed for lack of native code; None if that is not why."""
    from .sources import tree

    top = (error.name or "").partition(".")[0]
    if top in known:
        return describe(top)
    # A package that is there, without the native half of it.
    for base, path in tree.native.items():
        if top and f"/{top}/" in f"{base}/":
            return f"{path} is native code of another machine, which WebAssembly cannot run"
    return None


def describe(top: str) -> str:
    entry = known[top]
    instead = f"; {entry['instead']}" if entry["instead"] else ""
    if not entry["package"]:
        return f"CPython has no {top} in WebAssembly{instead}"
    return f"{entry['package']} is made of native code, which WebAssembly cannot run{instead}"
