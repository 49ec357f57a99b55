"""Compares the stubs of the Python SDK with the classes that they describe: `stubs.py STUBS RUNTIME`.

Each class of the stubs must be in the runtime's file, with the same public attributes. Exits with 1 and names what differs.
"""

import ast
import sys


def classes(path: str) -> dict[str, set[str]]:
    with open(path) as file:
        tree = ast.parse(file.read())
    return {node.name: attributes(node) for node in tree.body if isinstance(node, ast.ClassDef)}


def attributes(node: ast.ClassDef) -> set[str]:
    names = set()
    for each in node.body:
        match each:
            case ast.FunctionDef(name="__init__"):
                names |= {it.attr for it in ast.walk(each) if isinstance(it, ast.Attribute) and isinstance(it.ctx, ast.Store)}
            case ast.FunctionDef(name=name) | ast.AnnAssign(target=ast.Name(id=name)):
                names.add(name)
            case ast.Assign(targets=targets):
                names |= {it.id for it in targets if isinstance(it, ast.Name)}
    return {name for name in names if not name.startswith("_")}


def main(stubs: str, runtime: str) -> int:
    described, real = classes(stubs), classes(runtime)
    different = 0
    for name, names in described.items():
        if name not in real:
            print(f"{name} is in the stubs only")
            different += 1
        elif missing := names ^ real[name]:
            print(f"{name}: {', '.join(sorted(missing))}")
            different += 1
    return 1 if different or not described else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
