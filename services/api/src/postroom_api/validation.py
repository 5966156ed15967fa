"""Every sentence that refuses a request, with its field: `python -m postroom_api.validation`.

`--write` makes `services/api/VALIDATION.md` of the routes' types and of the sentences in the code;
`--check` ends with 1 where the file is not what they say.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from litestar.handlers import HTTPRouteHandler
from msgspec import inspect

from postroom_api.domain.needed import needed_of
from postroom_api.http.application import litestar_of

FILE: Final = Path(__file__).resolve().parents[2] / "VALIDATION.md"
SOURCES: Final = Path(__file__).resolve().parent
DEEPEST: Final = 4
HEAD: Final = """\
# Why a request is refused

Made by `make schema` from the types of the routes and the sentences in the code. A refusal is a
problem (RFC 9457) with status 422; its `errors` name each field by a JSON pointer. Three kinds come
from the types: `required` (“This is needed: …”), `unknown` (“There is no such field; there are: …”)
and `invalid` (“This must be …”). Bodies that are a merge patch (RFC 7396) are checked as the whole
that they make.
"""


def _bodies() -> Iterator[tuple[str, Any]]:
    for route in litestar_of(None, None, "1").routes:
        for handler in getattr(route, "route_handlers", ()):
            known = isinstance(handler, HTTPRouteHandler) and route.path.startswith("/api/")
            if known and handler.operation_id and handler.parsed_data_field:
                yield str(handler.operation_id), handler.parsed_data_field.annotation


def _fields(kind: inspect.Type, pointer: str, depth: int = 0) -> Iterator[tuple[str, str, bool]]:
    """Yield (pointer, what it must be, whether it is needed) for all fields inside."""
    while isinstance(kind, inspect.Metadata):
        kind = kind.type
    if isinstance(kind, inspect.UnionType):
        for one in kind.types:
            yield from _fields(one, pointer, depth)
    elif isinstance(kind, inspect.ListType | inspect.VarTupleType):
        if not isinstance(kind.item_type, inspect.StrType):
            yield from _fields(kind.item_type, f"{pointer}/0", depth)
    elif isinstance(kind, inspect.StructType) and depth < DEEPEST:
        if kind.tag_field:
            pointer = f"{pointer}({kind.tag})"
        for named in kind.fields:
            place = f"{pointer}/{named.encode_name}"
            yield place, needed_of(named.type), named.required
            yield from _fields(named.type, place, depth + 1)


def _table_of_types() -> Iterator[str]:
    yield "| operation | field | |\n|---|---|---|"
    for operation, kind in sorted(_bodies(), key=lambda one: one[0]):
        for pointer, words, required in dict.fromkeys(_fields(inspect.type_info(kind), "")):
            mark = "needed: " if required else ""
            yield f"| `{operation}` | `{pointer}` | {mark}{words} |"


def _words(node: ast.expr) -> str:
    """Return a sentence as it stands in the code, with what is put into it as “…”."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(_words(one) if isinstance(one, ast.Constant) else "…" for one in node.values)
    return ""


def _said(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield (pointer, sentence) of `invalid("field", …)` and of `yield "/field", "sentence"`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id == "invalid" and len(node.args) > 2:  # noqa: PLR2004 - field, code, words
                yield (
                    f"/{_words(node.args[0]) or '…'}",
                    _words(node.args[2]) or "(made of what was sent)",
                )
        elif isinstance(node, ast.Yield) and isinstance(node.value, ast.Tuple):
            place, *rest = node.value.elts
            if rest and _words(place).startswith("/"):
                yield _words(place), _words(rest[-1]) or "(made of what was sent)"


def _table_of_sentences() -> Iterator[str]:
    yield "| field | sentence | where |\n|---|---|---|"
    for path in sorted({*SOURCES.rglob("*.py")} - {Path(__file__).resolve()}):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        where = path.relative_to(SOURCES)
        for pointer, words in dict.fromkeys(_said(tree)):
            yield f"| `{pointer}` | {words} | `{where}` |"


def text() -> str:
    """Return what the file shall say."""
    types, sentences = "\n".join(_table_of_types()), "\n".join(_table_of_sentences())
    return (
        f"{HEAD}\n## What the fields must be\n\n{types}\n\n## What is said beyond\n\n{sentences}\n"
    )


def main(arguments: list[str]) -> int:
    """Write or check; return the exit code."""
    if arguments == ["--write"]:
        FILE.write_text(text(), encoding="utf-8")
        return 0
    if arguments != ["--check"]:
        sys.stderr.write("usage: python -m postroom_api.validation --write | --check\n")
        return 2
    if FILE.exists() and FILE.read_text(encoding="utf-8") == text():
        return 0
    sys.stderr.write("services/api/VALIDATION.md differs from the code: run `make schema`\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
