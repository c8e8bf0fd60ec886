"""README's commands are run, and give what README shows. Its Python is a doctest."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import gdfast
from gdfast.sources import _DATA

README = Path(__file__).parents[1] / "README.md"


def transcript() -> list[tuple[str, str]]:
    """Return the shell commands of README and the output that it shows."""
    blocks = re.findall(r"^```console\n(.*?)^```", README.read_text(), re.M | re.S)
    sessions = "".join(blocks).split("$ ")[1:]
    return [tuple(session.split("\n", 1)) for session in sessions]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return one folder for all commands: later ones read what earlier ones wrote."""
    folder = tmp_path_factory.mktemp("readme")
    for file in Path(_DATA).iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    return folder


@pytest.mark.parametrize(("command", "output"), transcript())
def test_command(command, output, folder):
    program, *arguments = shlex.split(command)
    assert program == "gdfast"
    done = subprocess.run(
        [sys.executable, "-m", "gdfast", *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.stdout == output
    assert done.returncode == 0


def test_prediction_file_of_the_transcript(folder):
    assert len(transcript()) == 2
    lines = (folder / "predictions.csv").read_text().split()
    table = gdfast.read_table(folder / "advertising.csv")
    fit = gdfast.load(folder / "sales.gdfast")
    expected = fit.predict(table.select(["TV", "Radio", "Newspaper"]))
    assert [float(line) for line in lines[1:]] == expected.tolist()


def test_ci_runs_both_commands():
    ci = README.with_name(".ci") / "run"
    if not ci.exists():
        pytest.skip("not in a checkout")
    commands = re.findall(r"^python3 -m venv .*$", README.read_text(), re.M)
    assert len(commands) == 2
    for command in commands:
        assert command in ci.read_text()
