"""`make` heals what it finds and says what is missing.

Nothing is installed here: `make -n` shows what would be done.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.layout import ROOT

MAKES_VENV = "venv --clear .venv"
INSTALLS_PROJECT = "--editable ."
INSTALLS_TESTS = "-r requirements/test.txt"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with the files that decide what an environment holds, and an empty `.venv`."""
    shutil.copytree(ROOT / "requirements", tmp_path / "requirements")
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / ".venv").mkdir()
    return tmp_path


def make(checkout: Path, *arguments: str, python: str = sys.executable) -> subprocess.CompletedProcess[str]:
    """Run make there, apart from the make that may have started these tests."""
    environment = {name: text for name, text in os.environ.items() if name not in {"MAKEFLAGS", "MFLAGS", "MAKELEVEL"}}
    command = ["make", *arguments, f"PYTHON={python}"]
    return subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True, check=False)


def finish(checkout: Path, target: str) -> None:
    """Lay the stamps that carrying out `make target` would lay, in the same order."""
    for line in make(checkout, "-n", target).stdout.splitlines():
        if line.startswith("touch "):
            (checkout / line.removeprefix("touch ")).touch()


def pretend_python(folder: Path, prelude: str) -> str:
    """A Python that runs `prelude` before the code that it is given."""
    path = folder / "python-of-old"
    path.write_text(f"""#!/bin/sh\n[ "$1" = -c ] && exec {sys.executable} -c "{prelude}\n$2"\necho 'Python 3.9.2'\n""")
    path.chmod(0o755)
    return str(path)


def test_half_made_environment_is_made_again(checkout: Path) -> None:
    """A `.venv` without its stamp was interrupted, so it is cleared."""
    assert MAKES_VENV in make(checkout, "-n", "plan").stdout


def test_interrupted_addition_makes_the_environment_again(checkout: Path) -> None:
    """An installer that dies while it adds the test requirements may leave any of them half there."""
    finish(checkout, "plan")
    python = checkout / ".venv/bin/python"
    python.parent.mkdir()
    python.write_text("#!/bin/sh\nexit 1\n")
    python.chmod(0o755)
    assert make(checkout, "format").returncode != 0
    assert MAKES_VENV in make(checkout, "-n", "plan").stdout


@pytest.mark.parametrize("target", ["plan", "test"])
def test_finished_environment_is_used_as_it_is(checkout: Path, target: str) -> None:
    """The second `make plan` or `make test` installs nothing."""
    finish(checkout, target)
    commands = make(checkout, "-n", target).stdout
    assert commands.startswith(".venv/bin/")
    assert not [word for word in (MAKES_VENV, INSTALLS_PROJECT, INSTALLS_TESTS) if word in commands]


def test_changed_requirements_make_the_environment_again(checkout: Path) -> None:
    """Other content is another environment, whatever the dates of the files say."""
    finish(checkout, "plan")
    with (checkout / "requirements/run.txt").open("a") as requirements:
        requirements.write("# changed\n")
    os.utime(checkout / "requirements/run.txt", (0, 0))
    assert MAKES_VENV in make(checkout, "-n", "plan").stdout


def test_touched_requirements_change_nothing(checkout: Path) -> None:
    """A checkout gives every file a new date; that alone is no reason to install."""
    finish(checkout, "plan")
    (checkout / "requirements/run.txt").touch()
    assert MAKES_VENV not in make(checkout, "-n", "plan").stdout


def test_changed_project_is_installed_again_into_the_same_environment(checkout: Path) -> None:
    """pyproject.toml names the command and the packages; the downloads stay."""
    finish(checkout, "plan")
    with (checkout / "pyproject.toml").open("a") as project:
        project.write("# changed\n")
    commands = make(checkout, "-n", "plan").stdout
    assert INSTALLS_PROJECT in commands
    assert MAKES_VENV not in commands


def test_tests_add_to_the_environment_of_the_plan(checkout: Path) -> None:
    """`make test` after `make plan` installs the test requirements alone."""
    finish(checkout, "plan")
    commands = make(checkout, "-n", "test").stdout
    assert INSTALLS_TESTS in commands
    assert MAKES_VENV not in commands


def test_moved_checkout_makes_its_environment_again(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The scripts of an environment name their interpreter by its full path, so a moved one does not run."""
    finish(checkout, "plan")
    moved = checkout.rename(tmp_path_factory.mktemp("elsewhere") / "checkout")
    assert MAKES_VENV in make(moved, "-n", "plan").stdout


def test_missing_python_is_named(checkout: Path) -> None:
    """No Python at all: one line that says what is needed, and nothing is touched."""
    run = make(checkout, "plan", python="no-such-python")
    assert run.returncode != 0
    assert 'needs Python 3.11 or newer: "no-such-python" is not there' in run.stderr


def test_old_python_is_named_with_its_version(checkout: Path) -> None:
    """A Python before 3.11 is refused before anything is installed."""
    python = pretend_python(checkout, "import sys; sys.version_info = (3, 9, 2)")
    run = make(checkout, "plan", python=python)
    assert run.returncode != 0
    assert f"needs Python 3.11 or newer: {python} is Python 3.9.2" in run.stderr


def test_missing_venv_module_is_named_with_its_package(checkout: Path) -> None:
    """Debian ships venv apart from Python: the message says which package holds it."""
    python = pretend_python(checkout, "import sys; sys.modules['ensurepip'] = None")
    run = make(checkout, "plan", python=python)
    assert run.returncode != 0
    assert "apt install python3-venv" in run.stderr
