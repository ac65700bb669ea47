"""The commands of a shell block, and whether they are right without being run.

What `kseg` and the scripts take is what their own parsers say. What a program of
`OTHERS` takes is not looked at.
"""

import contextlib
import functools
import inspect
import io
import re
import shlex
from pathlib import Path

import kseg.commands.arguments
from kseg import data, networks
from kseg.cli import _parser
from kseg.convert import sources
from kseg.data.catalogue import option_names
from kseg.data.prepare import FORMATS as RECORDS
from kseg.export import FORMATS
from kseg.inference import BLENDS, CRF_PARAMETERS
from kseg.lite.cli import parser as lite_parser
from kseg.training import run
from kseg.training.experiment import Experiment, config_names, load_experiment
from kseg.training.sweep import grid

REPOSITORY = Path(__file__).parents[2]

# Programs that are not kseg's.
OTHERS = {
    "curl",
    "docker",
    "echo",
    "export",
    "labelme",
    "mlflow",
    "npm",
    "pip",
    "tensorboard",
}
# What may be set in front of a command, or exported.
VARIABLES = {
    "CUDA_VISIBLE_DEVICES",
    "KERAS_BACKEND",
    "KERAS_DISTRIBUTION_JOB_ADDRESSES",
    "KERAS_DISTRIBUTION_NUM_PROCESSES",
    "KERAS_DISTRIBUTION_PROCESS_ID",
    "KSEG_HOME",
    "XLA_FLAGS",
}
# What stands in a command that cannot be run as it is, or ends at once.
OPEN = "<|\\.\\.\\.|--help"
# Values that a parser takes as they come: command and argument to what is known.
KNOWN = {
    ("batch", "blend"): BLENDS,
    ("batch", "crf"): CRF_PARAMETERS,
    ("convert", "network"): networks.names(),
    ("convert", "source"): sources(),
    ("evaluate", "blend"): BLENDS,
    ("evaluate", "crf"): CRF_PARAMETERS,
    ("evaluate", "data"): data.names(),
    ("export", "data"): data.names(),
    ("export", "formats"): FORMATS,
    ("predict", "blend"): BLENDS,
    ("predict", "crf"): CRF_PARAMETERS,
    ("prepare", "data"): data.names(),
    ("prepare", "format"): RECORDS,
    ("scribbles", "data"): data.names(),
}
# A config that the reader is to name.
PLACEHOLDER = "CONFIG"


def commands(text: str) -> list[list[str]]:
    """Returns the words of each command of a block, its variables filled in."""
    variables, found = {}, []
    for line in text.replace("\\\n", " ").splitlines():
        for name, value in variables.items():
            line = line.replace(f"${name}", value)
        words = shlex.split(line, comments=True)
        if words and words[-1] == "&":
            words.pop()
        assigned = []
        while words and (match := re.fullmatch(r"(\w+)=(.*)", words[0])):
            assigned.append(match.groups())
            words.pop(0)
        if not words:
            variables.update(assigned)
            continue
        assert {name for name, _ in assigned} <= VARIABLES, line
        found.append(words)
    return found


def check(words: list[str], made: set[str]) -> None:
    """Raises an AssertionError or a ValueError if a command is wrong.

    Args:
        words: The command.
        made: Names of the models that the page makes.
    """
    program, *arguments = words
    if program == "kseg":
        check_kseg(arguments, made)
    elif program == "kseg-lite":
        check_parsed(lite_parser(), arguments)
    elif words[:2] == ["python", "training/run.py"]:
        check_kseg(["train", *arguments[1:]], made)
    elif program == "python":
        check_script(arguments)
    elif program == "make":
        assert arguments[0] in make_targets(), f"no target of the Makefile: {words}"
    elif program == "export":
        assert {word.partition("=")[0] for word in arguments} <= VARIABLES, words
    else:
        assert program in OTHERS, f"an unknown program: {words}"


def check_in_text(command: str) -> None:
    """Checks a command in running text, which may leave out what is plain."""
    words = command.split()
    if words[:2] == ["python", "training/run.py"]:
        words = ["kseg", "train", *words[2:]]
    if words[0] != "kseg":
        check(words, set())
        return
    check_options(words[1:])
    if words[1] == "train" and len(words) > 2 and not re.search(OPEN, command):
        check(shlex.split(shlex.join(words)), set())


def check_script(arguments: list[str]) -> None:
    """Checks that a script is there, and knows the options."""
    if arguments[0] == "-m":
        return
    script, *rest = arguments
    assert (REPOSITORY / script).is_file(), f"no script: {script}"
    source = (REPOSITORY / script).read_text()
    if "kseg.commands.arguments" in source:
        source += inspect.getsource(kseg.commands.arguments)
    for word in rest:
        known = not word.startswith("--") or f'"{word}"' in source
        assert known, f"{script} has no option {word}"


def check_options(arguments: list[str]) -> None:
    """Checks that a subcommand is there, and has the options, spelt out."""
    name, *rest = arguments
    if name.startswith("--"):  # of kseg itself
        assert name in _parser()._option_string_actions, f"kseg has no option {name}"
        return
    known = parsers()[name]._option_string_actions if name in parsers() else None
    assert known is not None, f"kseg has no command {name}"
    for word in rest:
        option = word.partition("=")[0]
        assert not word.startswith("--") or option in known, f"kseg {name}: {word}"


def check_kseg(arguments: list[str], made: set[str]) -> None:
    """Checks a command of kseg: options, values, and what `--set` says."""
    check_options(arguments)
    name, *rest = arguments
    parsed = check_parsed(parsers()[name], rest)
    for (command, argument), known in KNOWN.items():
        values = getattr(parsed, argument) if command == name else None
        for value in values if isinstance(values, list) else [values]:
            assert value is None or value in known, f"kseg {name}: {value}"
    if hasattr(parsed, "model"):
        model = re.sub("_(float32|float16|int8)$", "", Path(parsed.model).stem)
        assert model in {*config_names(), *made}, f"no such model: {parsed.model}"
    if name == "sweep":
        for each in grid(parsed.set, parsed.config):
            experiment(parsed.config).replace(each.assignments)
    elif getattr(parsed, "config", None):
        experiment(parsed.config).replace(parsed.set)
    elif getattr(parsed, "data", None):
        source = parsed.data if parsed.data in data.names() else "folder"
        keys = {text.partition("=")[0] for text in parsed.set}
        assert keys <= set(option_names(source)), f"kseg {name}: {keys}"


def check_parsed(parser, arguments: list[str]):
    """Returns what a parser makes of arguments, which must be right for it."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            return parser.parse_args(arguments)
    except SystemExit:
        raise AssertionError(said.getvalue()) from None


def experiment(config: str) -> Experiment:
    """Returns the experiment of a config: one of kseg's, or a file that is here."""
    return load_experiment("demo" if config == PLACEHOLDER else config)[1]


@functools.cache
def parsers() -> dict:
    """Returns the parsers of kseg's commands by name."""
    (choices,) = (x.choices for x in _parser()._actions if isinstance(x.choices, dict))
    return {**choices, "train": run.parser()}


@functools.cache
def make_targets() -> set[str]:
    """Returns what `make` can be asked for."""
    makefile = (REPOSITORY / "Makefile").read_text()
    (targets,) = re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    return set(targets.split())
