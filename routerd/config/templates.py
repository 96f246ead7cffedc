"""The folder of templates: `received.txt`, and `received.pl.txt` for customers who write Polish."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, ValidationInfo, WithJsonSchema

from routerd.config.nearest import quoted
from routerd.config.regular_file import FileProblemsError, read_regular
from routerd.config.yaml_source import Mark, Problem
from routerd.message.template import Template, TemplateError, parse_template

MAX_TEMPLATES = 500
MAX_TEMPLATE_BYTES = 64_000
_NAME = re.compile(r"([A-Za-z0-9][A-Za-z0-9_-]{0,63})(?:\.([a-z]{2}))?\.txt\Z")


@dataclass(frozen=True, slots=True)
class Templates:
    """Name → language (ISO 639-1, "" for any) → template. Each name has one for any language."""

    by_name: Mapping[str, Mapping[str, Template]]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.by_name)

    def get(self, name: str, language: str | None) -> Template | None:
        """The one for the language, else the one for any."""
        found = self.by_name.get(name, {})
        return found.get(language or "") or found.get("")


def read_templates(folder: Path, shown: str) -> Templates:
    """`shown`: how problems call it. Raises FileProblemsError with every problem in every file, ValueError."""
    try:
        paths = sorted(path for path in folder.iterdir() if not path.name.startswith(".") and path.suffix == ".txt")
    except OSError as error:
        raise ValueError(
            f"{quoted(shown)} cannot be read: {error.strerror or error}; name a folder of templates"
        ) from None
    if len(paths) > MAX_TEMPLATES:
        raise ValueError(f"{quoted(shown)} has more than {MAX_TEMPLATES} templates")
    problems: list[Problem] = []
    by_name: dict[str, dict[str, Template]] = {}
    for path in paths:
        label = f"{shown}/{path.name}"
        found = _NAME.match(path.name)
        try:
            if found is None:
                raise TemplateError(1, 1, "a template is called NAME.txt or NAME.pl.txt, of letters, digits, - and _")
            by_name.setdefault(found[1], {})[found[2] or ""] = _template(path)
        except TemplateError as error:
            problems.append(Problem(Mark(label, error.line, error.column), str(error)))
    for name, languages in by_name.items():
        if "" not in languages and not problems:
            first = f"{name}.{next(iter(languages))}.txt"
            wanted = f"{name}.txt, for customers of any other language, is not there"
            problems.append(Problem(Mark(f"{shown}/{first}", 1, 1), wanted))
    if problems:
        raise FileProblemsError(tuple(problems))
    return Templates(by_name)


def _read(value: object, info: ValidationInfo) -> object:
    if not isinstance(value, str | Path):
        return value
    context = info.context if isinstance(info.context, dict) else {}
    return read_templates(Path(context.get("folder", ""), value), str(Path(context.get("shown", ""), value)))


def _template(path: Path) -> Template:
    try:
        data = read_regular(path, MAX_TEMPLATE_BYTES)
    except OSError as error:
        raise TemplateError(1, 1, f"cannot be read: {error.strerror or error}") from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise TemplateError(data.count(b"\n", 0, error.start) + 1, 1, "not UTF-8; save the file as UTF-8") from None
    return parse_template(text)


TemplateFolder = Annotated[
    Templates, BeforeValidator(_read), WithJsonSchema({"type": "string", "examples": ["templates"]})
]
