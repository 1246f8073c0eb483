"""Writing a new connector's files from the templates."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import jinja2

from crossdock.errors import UsageError
from crossdock.scaffold.choices import Choices
from crossdock.scaffold.imports import with_imports

_WIDTH = 120
_TEMPLATES = Path(__file__).parent / "templates"
_SUFFIX = ".jinja"


def write(choices: Choices, folder: Path) -> list[Path]:
    """Write the connector into `folder`, which is made, and answer the files relative to it.

    Raises `UsageError` when there is something in the folder already, or when it cannot be written.
    """
    files = _files(choices)
    try:
        if folder.exists() and any(folder.iterdir()):
            raise UsageError(f"{folder} is not empty.", hint="Name another place with --dir, or move it away.")
        for name, text in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"{folder} cannot be written: {error.strerror}.", hint="Name another place with --dir."
        ) from error
    return sorted(Path(name) for name in files)


def _files(choices: Choices) -> dict[str, str]:
    """The text of every file, by its path."""
    environment = _environment()
    made: dict[str, str] = {}
    for template in sorted(environment.list_templates(extensions=["jinja"])):
        text = environment.get_template(template).render(it=choices)
        path = _path(template, choices)
        # A file that the choices need no word of is none.
        if text.strip() or path.name == "py.typed":
            made[str(path)] = _tidied(text, path, choices)
    return made


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=False,  # noqa: S701  it writes Python, not HTML
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters.update(call=_call, table=_table, words=_words)
    return environment


def _path(template: str, choices: Choices) -> Path:
    path = Path(template.removesuffix(_SUFFIX))
    if path.parts[0] == "package":
        path = Path("src", choices.package, *path.parts[1:])
    return Path(*(re.sub("^dot-", ".", part) for part in path.parts))


def _tidied(text: str, path: Path, choices: Choices) -> str:
    """The text with its imports, and without the empty lines that parts left out leave behind."""
    if path.suffix != ".py":
        return re.sub(r"\n{3,}", "\n\n", text).strip("\n") + "\n" if text.strip() else ""
    text = re.sub(r"\n{2,}(?=@|def |class )", "\n\n\n", text)  # what begins anew is set off by two empty lines,
    text = re.sub(r"(?<=\n)( .*\n)\n+(?=\S)", r"\1\n\n", text)  # also from what is indented,
    text = re.sub(r"\n{3,}(?= )", "\n\n", text)  # and what goes on inside a class by one
    return with_imports(text, choices.package, choices.twin)


def _call(arguments: list[str], opening: str, indent: int = 0) -> str:
    """A call as formatters write it: on one line if that fits, else its arguments on one, else each on its own."""
    space = " " * indent
    line = f"{opening}({', '.join(arguments)})"
    if len(space + line) <= _WIDTH:
        return line
    joined = f"{space}    {', '.join(arguments)}"
    if len(joined) <= _WIDTH:
        return f"{opening}(\n{joined}\n{space})"
    return f"{opening}(\n" + "".join(f"{space}    {each},\n" for each in arguments) + f"{space})"


def _table(pairs: list[tuple[str, str]], opening: str) -> str:
    """A dictionary from words to code, as formatters write it: on one line if that fits, else each on its own."""
    entries = [f'"{word}": {code}' for word, code in pairs]
    line = f"{opening}{{{', '.join(entries)}}}"
    if len(line) <= _WIDTH:
        return line
    return f"{opening}{{\n" + "".join(f"    {each},\n" for each in entries) + "}"


def _words(words: Sequence[str]) -> str:
    """A tuple of words."""
    quoted = ", ".join(f'"{each}"' for each in words)
    return f"({quoted},)" if len(words) == 1 else f"({quoted})"
