"""API keys: in the environment, or in the file where the tools of a cloud keep them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ApiKey:
    """Where a key is found.

    variables: environment variables, the first that is set.
    file: a file below the home folder.
    entry: what stands before the key in a line of that file (`api_key =`); empty where the file is the key.
    way: how it comes there, for people (`put ... into`).
    """

    variables: tuple[str, ...]
    file: str
    entry: str = ""
    way: str = "put the key into"

    @property
    def needs(self) -> str:
        """What is needed, for people."""
        return f"{self.variables[0]} or ~/{self.file}"

    def found(self, env: Mapping[str, str], home: Path) -> str:
        """The key; empty where there is none."""
        for variable in self.variables:
            if env.get(variable):
                return env[variable]
        try:
            text = (home / self.file).read_text(encoding="utf-8")
        except OSError:
            return ""
        if not self.entry:
            return text.strip()
        line = re.search(rf"^\s*{re.escape(self.entry)}\s*['\"]?([^\s'\"]+)", text, re.MULTILINE)
        return line[1] if line else ""

    def missing(self, env: Mapping[str, str], home: Path) -> str:
        """`missing` of a source that needs the key."""
        return "" if self.found(env, home) else f"set {self.variables[0]}, or {self.way} ~/{self.file}"
