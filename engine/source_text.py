"""YAML text -> plain values, with the line and column of every one of them.

The parser's events are put together here, instead of by a loader of its package, for what such a loader does not give:
the positions of keys and values, duplicate keys as errors, bounds on nesting and on what aliases expand to, and no
values but text, numbers, booleans, null, lists and mappings.

Plain scalars are read as YAML 1.1 has them (`yes` is true), which is how SkyPilot reads them, with three exceptions
that surprise less: a time (`1:30`), a date and a number with a leading zero (`007`) stay the text that they are. Keys
are always the text as written.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol, TypeAlias

import yaml

from engine.workload_errors import Fault, Path, Problem, WorkloadError, field_name

MAX_DEPTH: Final = 64
"""How deep values may be nested."""
MAX_VALUES: Final = 100_000
"""How many values a text may hold in all its documents, aliases expanded."""
MAX_PROBLEMS: Final = 100
"""How many problems of a file are told; reading ends with the first one beyond them."""


class _Mark(Protocol):
    """A place in the text, counted from 0, as both of the package's parsers give it."""

    line: int
    column: int


Plain: TypeAlias = str | float | bool | list["Plain"] | dict[str, "Plain"] | None

_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the parser in C, where it was built
_CORE: Final = "tag:yaml.org,2002:"
_PLAIN_TAGS: Final = frozenset(_CORE + name for name in ("bool", "float", "int", "null", "timestamp"))
_OTHER_TAGS: Final = frozenset(("!", *(_CORE + name for name in ("map", "seq", "set", "str"))))
_WORDS: Final[Mapping[str, bool | None]] = {
    "": None,
    "~": None,
    **{
        spelling: value
        for words, value in (("true yes on", True), ("false no off", False), ("null", None))
        for word in words.split()
        for spelling in (word, word.title(), word.upper())
    },
}
_NUMBER: Final = re.compile(
    r"[-+]?(?:(?P<integer>0|[1-9][0-9_]{0,17})|(?P<hexadecimal>0x[0-9a-fA-F]{1,15})"
    r"|(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+][0-9]{1,3})?|(?P<word>\.(?:inf|Inf|INF|nan|NaN|NAN)))"
)

_QUOTED: Final = r"""'([^']*)'|"([^"]*)\""""
"""What a message of the parser holds in quotes."""
_SYNTAX_HINTS: Final[Mapping[str, str]] = {
    "mapping values are not allowed": "quote a text that holds `: `; start the fields of a mapping in one column",
    "cannot start any token": "indent with spaces, not tabs; put a text that starts with @, ` or % in quotes",
    "did not find expected key": "start the fields of one mapping in one column",
    "expected <block end>": "start the fields of one mapping in one column",
}


@dataclass(slots=True)
class Node:
    """A plain value and where it stands; `parts` leads on to the values in it, `keys` to where their keys stand."""

    line: int
    column: int
    value: Any
    text: str | None = None
    """A scalar as it is written; None for a list or a mapping."""
    parts: dict[str | int, Node] = field(default_factory=dict)
    keys: dict[str | int, tuple[int, int]] = field(default_factory=dict)
    size: int = 1
    """How many values it holds, itself and what its aliases stand for included."""

    def position(self, path: Path) -> tuple[int, int]:
        """Line and column of the value that `path` leads to, or of the last one on the way that exists.

        A list or mapping under a key is found where its key stands: that is the line that a reader looks for.
        """
        node, place = self, (self.line, self.column)
        for step in path:
            part = node.parts.get(step)
            if part is None:
                break
            key = node.keys.get(step)
            place = key if key is not None and part.text is None else (part.line, part.column)
            node = part
        return place

    def put(self, step: str | int, part: Node) -> None:
        """Add a value under a key or an index."""
        self.parts[step] = part
        self.size += part.size
        if isinstance(self.value, list):
            self.value.append(part.value)
        else:
            self.value[step] = part.value


class Source:
    """A text that has been read: its documents, empty ones left out, and the problems found with it so far."""

    def __init__(self, file: str, documents: Iterable[Node], problems: Iterable[Problem]) -> None:
        self.file = file
        self.documents = tuple(documents)
        self.problems = list(problems)

    def report(self, document: Node, faults: Iterable[Fault], *, under: Path = ()) -> None:
        """Add what is wrong with a document; the paths of the faults start at the value that `under` leads to.

        Raises:
            WorkloadError: there are more than MAX_PROBLEMS.
        """
        for fault in faults:
            path = (*under, *fault.path)
            line, column = document.position(path)
            self.problems.append(Problem(self.file, line, column, field_name(path), fault.message, fault.hint))
            if len(self.problems) > MAX_PROBLEMS:
                self.check()

    def check(self) -> None:
        """Raise what has been found.

        Raises:
            WorkloadError: there is any problem.
        """
        if len(self.problems) > MAX_PROBLEMS:
            told = sorted(self.problems[:MAX_PROBLEMS], key=lambda problem: problem.line)
            message = f"there are more problems than these {MAX_PROBLEMS}"
            raise WorkloadError([*told, replace(told[-1], column=sys.maxsize, field="", message=message, hint=None)])
        if self.problems:
            raise WorkloadError(self.problems)


def read_source(text: str, *, file: str) -> Source:
    """The plain values of a YAML text; duplicate keys and the like are problems of it, and the rest is read.

    Raises:
        WorkloadError: it is not YAML to its end, is nested too deeply or expands to too much.
    """
    composer = _Composer(file)
    for event in _events(text, file):
        composer.take(event)
    return Source(file, (node for node in composer.documents if node.value not in (None, {})), composer.problems)


def _events(text: str, file: str) -> Iterator[yaml.Event]:
    """The parser's events; its errors become ours."""
    try:
        text.encode()
        yield from yaml.parse(text, Loader=_LOADER)
    except UnicodeEncodeError as error:
        raise _error_at(file, text, error.start, "a character that is no valid Unicode") from error
    except yaml.reader.ReaderError as error:
        raise _error_at(file, text, error.position, "a control character, which YAML does not allow") from error
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(file, error) from error


def _error(file: str, line: int, column: int, message: str, hint: str | None = None) -> WorkloadError:
    return WorkloadError([Problem(file, line, column, "", message, hint)])


def _error_at(file: str, text: str, offset: int, message: str) -> WorkloadError:
    before = text[:offset]
    return _error(file, before.count("\n") + 1, offset - before.rfind("\n"), message)


def _syntax_error(file: str, error: yaml.MarkedYAMLError) -> WorkloadError:
    problem = re.sub(_QUOTED, _without_text, error.problem or error.context or "it cannot be parsed")
    hint = next((hint for part, hint in _SYNTAX_HINTS.items() if part in problem), None)
    if hint is None and error.context and error.context_mark:
        hint = f"{error.context} that starts on line {error.context_mark.line + 1}"
    return _error(file, *_place(error.problem_mark or error.context_mark), f"not valid YAML: {problem}", hint)


def _without_text(quoted: re.Match[str]) -> str:
    """A character or the `<kind>` of a token, but no more of the text than that, for it may be a secret."""
    inside = quoted[1] or quoted[2] or ""
    return quoted[0] if len(inside) <= 1 or inside.startswith("<") else "..."


@dataclass(slots=True)
class _Open:
    """A list or mapping whose end has not come yet; `key` is the one that waits for its value."""

    node: Node
    anchor: str | None
    key: Node | None = None
    merged: list[Node] = field(default_factory=list)

    @property
    def step(self) -> str | int:
        if isinstance(self.node.value, list):
            return len(self.node.value)
        return self.key.text or "" if self.key else ""


class _Composer:
    """Puts the parser's events together, without recursion."""

    def __init__(self, file: str) -> None:
        self.documents: list[Node] = []
        self.problems: list[Problem] = []
        self._file = file
        self._anchors: dict[str, Node] = {}
        self._open: list[_Open] = []
        self._size = 0

    def take(self, event: yaml.Event) -> None:
        """Add what the next event brings."""
        if isinstance(event, yaml.ScalarEvent):
            node = self._node(event, self._scalar(event))
            node.text = event.value
            self._keep(event.anchor, node)
            self._place(node)
        elif isinstance(event, yaml.MappingStartEvent):
            self._begin(event, {})
        elif isinstance(event, yaml.SequenceStartEvent):
            self._begin(event, [])
        elif isinstance(event, yaml.CollectionEndEvent):
            self._end()
        elif isinstance(event, yaml.AliasEvent):
            self._place(self._alias(event))
        elif isinstance(event, yaml.DocumentStartEvent):
            self._anchors = {}

    def _begin(self, event: yaml.CollectionStartEvent, value: Plain) -> None:
        if event.tag is not None and event.tag not in _OTHER_TAGS:
            self._tag_fault(event)
        node = self._node(event, value)
        if len(self._open) == MAX_DEPTH:
            raise _error(self._file, node.line, node.column, f"values are nested more than {MAX_DEPTH} deep")
        self._open.append(_Open(node, event.anchor))

    def _end(self) -> None:
        done = self._open.pop()
        for source in done.merged:
            for step, part in source.parts.items():
                if step not in done.node.parts:
                    done.node.put(step, part)
        self._check_size(done.node.size, done.node)
        self._keep(done.anchor, done.node)
        self._place(done.node)

    def _place(self, node: Node) -> None:
        """Put a finished node where it belongs: under the key that waits, in the open list, or as a document."""
        if not self._open:
            self.documents.append(node)
            self._size += node.size
            self._check_size(self._size, node)
            return
        parent = self._open[-1]
        if isinstance(parent.node.value, list):
            parent.node.put(parent.step, node)
        elif parent.key is None:
            parent.key = node
        else:
            self._put_entry(parent, parent.key, node)
            parent.key = None

    def _check_size(self, size: int, node: Node) -> None:
        """Raise where more values have been read than a text may hold; `node` is where that is seen."""
        if size > MAX_VALUES:
            name = field_name(tuple(frame.step for frame in self._open)) or "the file"
            message = f"holds more than {MAX_VALUES:,} values (texts, numbers, lists, mappings), aliases included"
            raise _error(self._file, node.line, node.column, f"{name} {message}", "make several files of it")

    def _put_entry(self, parent: _Open, key: Node, node: Node) -> None:
        if key.text is None:
            self._fault(key, "a key must be a text, not a list or a mapping")
        elif key.text == "<<":
            self._merge(parent, node)
        elif key.text in parent.node.parts:
            first = parent.node.keys[key.text][0]
            self._fault(key, "is given twice", f"the first one is on line {first}")
        else:
            parent.node.put(key.text, node)
            parent.node.keys[key.text] = (key.line, key.column)

    def _merge(self, parent: _Open, node: Node) -> None:
        sources = list(node.parts.values()) if isinstance(node.value, list) else [node]
        parent.merged += [source for source in sources if isinstance(source.value, dict)]
        if any(not isinstance(source.value, dict) for source in sources):
            self._fault(node, "`<<` can only merge mappings")

    def _alias(self, event: yaml.AliasEvent) -> Node:
        node = self._anchors.get(event.anchor or "")
        if node is None:
            message = "an alias stands for nothing that is complete above it"  # its name may be a secret
            raise _error(self._file, *_place(event.start_mark), message, "put a text that starts with * in quotes")
        return node

    def _keep(self, anchor: str | None, node: Node) -> None:
        if anchor is not None:
            self._anchors[anchor] = node

    def _scalar(self, event: yaml.ScalarEvent) -> str | float | bool | None:
        if event.tag is None:
            return plain_scalar(event.value) if event.implicit[0] else event.value
        if event.tag in _PLAIN_TAGS:
            return plain_scalar(event.value)
        if event.tag not in _OTHER_TAGS:
            self._tag_fault(event)
        return event.value

    def _tag_fault(self, event: yaml.ScalarEvent | yaml.CollectionStartEvent) -> None:
        node = self._node(event, None)
        hint = "write the value without a tag; put a text that starts with ! in quotes"
        self._fault(node, "has a tag that cannot be read", hint)

    def _node(self, event: yaml.NodeEvent, value: Plain) -> Node:
        return Node(*_place(event.start_mark), value)

    def _fault(self, node: Node, message: str, hint: str | None = None) -> None:
        name = field_name(tuple(frame.step for frame in self._open))
        self.problems.append(Problem(self._file, node.line, node.column, name, message, hint))


def _place(mark: _Mark | None) -> tuple[int, int]:
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)


def plain_scalar(text: str) -> str | float | bool | None:
    """The value of a scalar that stands without quotes: a word, a number or else the text itself."""
    if text in _WORDS:
        return _WORDS[text]
    match = _NUMBER.fullmatch(text)
    if match is None:
        return text
    if match["integer"]:
        return int(text.replace("_", ""))
    if match["hexadecimal"]:
        return int(text, 16)
    return float(text.replace(".", "") if match["word"] else text)
