"""Follows a page as its reader does: runs its commands in one shell, writes its files, types its conversations.

Blocks of a page are taken by their language. `console`: lines with `$ ` are commands, the others what they print, with
`…` for what is left out. `yaml`, `csv`: a file, named in the first line: `# plant.yaml`, or `# plant.yaml, at the end`.
`text`: a conversation, typed where it says `you> `. `sh` is not run.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Step", "differences", "steps_of"]

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"# (\S+?)(, at the end)?")
_SAYS = "you> "
_NEXT = "\x1e"
_DEADLINE_S = 110


@dataclass(frozen=True)
class Step:
    """What the shell is given, and the lines that the page shows of its answer."""

    typed: str
    shown: Sequence[str] = ()


def steps_of(page: Path, heading: str) -> list[Step]:
    """The steps of one section of the page, with those of its parts."""
    _, _, section = page.read_text().partition(f"\n## {heading}\n")
    assert section, f"{page.name} has no section {heading}"
    blocks = _BLOCK.findall(section.partition("\n## ")[0])
    return [step for language, text in blocks for step in _steps(language, text)]


def differences(
    steps: Sequence[Step], folder: Path, settings: Mapping[str, str], other: Mapping[str, str]
) -> list[str]:
    """Follow the steps in the folder; returns every line of the page that was not printed.

    Args:
        steps: taken in one shell, so that what one sets the next ones know.
        folder: where they are taken; empty at first.
        settings: the environment, beside what every program needs.
        other: what stands for a text of the page here, such as another port.
    """
    if shutil.which("curl") is None:
        steps = [step for step in steps if not step.typed.startswith("curl ")]
    script = "\n".join(f"printf '{_NEXT}'\n{step.typed}" for step in steps)
    kept = {name: os.environ[name] for name in ("HOME", "LANG") if name in os.environ}
    path = ":".join((str(Path(sys.executable).parent), settings.get("PATH", os.environ["PATH"])))
    done = subprocess.run(
        ["bash", "-c", _replaced(script, other)],
        cwd=folder,
        env={**kept, "COLUMNS": "100", **settings, "PATH": path},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_DEADLINE_S,
        check=False,
    )
    printed = _replaced(done.stdout, {there: here for here, there in other.items()}).split(_NEXT)[1:]
    assert len(printed) == len(steps), done.stdout
    return [line for step, output in zip(steps, printed, strict=True) for line in _missing(step, output)]


def _steps(language: str, text: str) -> Iterator[Step]:
    match language:
        case "console":
            for command in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
                typed, *shown = command.splitlines()
                while typed.endswith("\\"):
                    typed = f"{typed}\n{shown.pop(0)}"
                yield Step(typed, shown)
        case "yaml" | "csv":
            first, _, content = text.partition("\n")
            named = _FILE.fullmatch(first)
            assert named, f"a block that names no file: {first}"
            yield Step(f"cat {'>>' if named[2] else '>'} {named[1]} <<'END'\n{content}END")
        case "text":
            shown = text.splitlines()
            typed = "\n".join(line.removeprefix(_SAYS) for line in shown if line.startswith(_SAYS))
            yield Step(f"shopfloor chat <<'END'\n{typed}\nEND", shown)
        case _:
            return


def _missing(step: Step, output: str) -> list[str]:
    """The lines that are not there, or there in another order; of a line with `…`, all of its parts must be."""
    left = iter([line.rstrip() for line in output.splitlines()])
    wanted = [line.rstrip() for line in step.shown if line.strip() not in {"", "…"}]
    missing = [line for line in wanted if not any(_is_like(line, printed) for printed in left)]
    return [f"{step.typed}\n  does not print: {missing[0]}\n  it prints:\n{output}"] if missing else []


def _is_like(line: str, printed: str) -> bool:
    pattern = ".*".join(re.escape(part) for part in line.split("…"))
    return re.fullmatch(pattern, printed) is not None


def _replaced(text: str, other: Mapping[str, str]) -> str:
    for here, there in other.items():
        text = text.replace(here, there)
    return text
