"""Every code block of README.md and of the pages in docs/ is right.

Python is run, page by page, each in a folder of its own that holds what the pages
presume. A function `config` of a block is called, and what it returns is checked; the
block becomes the file that the paragraph above it names. Commands of shell blocks are
checked, and those of the README's "Your own images" and of the tutorial are run. A
comment `<!-- not run: reason -->` above a block says that it cannot be run here.
"""

import ast
import contextlib
import dataclasses
import inspect
import json
import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import page_blocks
import presumed_files
import pytest
import shell_blocks
import yaml

import kseg.lite
from kseg import cli
from kseg.training.experiment import Experiment
from kseg.training.feeds import open_feeds

REPOSITORY = Path(__file__).parents[2]
PAGES = {
    str(path.relative_to(REPOSITORY)): path
    for path in [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]
}

# How many blocks of a page are not run; of all others none.
NOT_RUN: dict[str, int] = {}
# Names that a page uses as if they were there.
PRESUMED = {"README.md": {"image": np.zeros((*presumed_files.SIZE, 3), "uint8")}}
# Pages that begin in an empty folder.
EMPTY = {"docs/tutorial.md"}
# Headings under which commands are run, too: all that begin so.
RUN = {"README.md": "Your own images", "docs/tutorial.md": ""}
# What the commands that are run get in addition, so that they are short.
MORE = {
    "train": "--set fit.epochs=1 fit.steps_per_epoch=1 data.crop=(48,64) "
    "data.batch_size=2 export.formats=()",
    "doctor": "--set data.crop=(48,64) --images 2 --passes 1",
    "export": "--size 48 64",
    "evaluate": "--require mean_iou=0",  # instead of what a trained one has
}
# What is run instead, so that it is short; a config is checked as the page has it.
SMALLER = {
    "README.md": {
        'name="deeplabv3plus", backbone="mobilenet_v2", weights="imagenet"': (
            'name="unet", filters=2, depth=2'
        )
    },
    "docs/experiments.md": {"max_trials=2": "max_trials=1"},
    "docs/tutorial.md": {
        "filters=16, depth=4": "filters=2, depth=2",
        "num_train=300": "num_train=6",
        "num_validation=60": "num_validation=3",
        "120, 160": "48, 64",
    },
}
SHORTEST = {"network": {"name": "unet"}, "data": {"name": "folder"}}
SECTIONS = {field.name for field in dataclasses.fields(Experiment)}


@pytest.fixture(scope="module")
def presumed(tmp_path_factory):
    """A folder with what the pages presume, and one with what has been downloaded."""
    folder = tmp_path_factory.mktemp("docs")
    presumed_files.make(folder / "work")
    presumed_files.make_cache(folder / "home")
    return folder


@dataclasses.dataclass
class Page:
    """A page that is read from top to bottom.

    `photos` is a folder of data, `namespace` holds the names of its Python, `made` the
    names of the models that it makes, which are those of its configs, and `shortened`
    what was run otherwise.
    """

    name: str
    photos: Path
    namespace: dict
    made: set[str] = dataclasses.field(default_factory=set)
    shortened: set[str] = dataclasses.field(default_factory=set)

    def python(self, block):
        """Runs a block, checks its config and sections, and writes its file."""
        body, short = page_blocks.statements(block), self.shorten(block)
        if not block.runs:
            return
        is_config = any(getattr(x, "name", "") == "config" for x in body)
        run = block if is_config else short
        page_blocks.run_python(run, PAGES[self.name], self.namespace)
        for statement in body:
            match statement:
                case ast.Assign([ast.Name(name)], value) if name in SECTIONS:
                    value = eval(ast.unparse(value), self.namespace)
                    if isinstance(value, Mapping):
                        self.check(Experiment(**{**SHORTEST, name: value}))
        if is_config:
            self.check(self.namespace["config"]())
            file = Path(re.findall(r"`([\w/]+\.py)`", block.above)[-1])
            file.write_text(short.text)
            self.made.add(file.stem)

    def check(self, experiment):
        """Checks the keys of a config, and how it would feed the photos."""
        experiment.check()
        known = set(inspect.signature(open_feeds).parameters) - {"name", "options"}
        options = {k: v for k, v in experiment.data.items() if k in known}
        open_feeds("folder", path=self.photos, classes=3, **options)

    def shorten(self, block):
        """Returns a block as it is run."""
        for large, small in SMALLER.get(self.name, {}).items():
            if large in block.text:
                self.shortened.add(large)
                block = block._replace(text=block.text.replace(large, small))
        return block

    def shell(self, block):
        """Checks the commands of a block, and runs them where that is asked for."""
        runs = self.name in RUN and block.heading.startswith(RUN[self.name])
        for words in shell_blocks.commands(block.text):
            shell_blocks.check(words, self.made)
            if runs and block.runs and words[0] == "kseg":
                more = MORE.get(words[1], "").split()
                # `doctor` ends with 1, for one pass teaches nothing.
                expected = 1 if words[1] == "doctor" else 0
                assert cli.main([*words[1:], *more]) == expected, words

    def json(self, block):
        json.loads(block.text)

    def yaml(self, block):
        yaml.safe_load(block.text)

    def text(self, block):
        """Is not looked at."""


LANGUAGES = {
    "python": Page.python,
    "sh": Page.shell,
    "bash": Page.shell,
    "json": Page.json,
    "yaml": Page.yaml,
    "text": Page.text,
}


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.filterwarnings("ignore::DeprecationWarning:keras_tuner")
def test_the_blocks_of_a_page(name, presumed, tmp_path, monkeypatch):
    if name not in EMPTY:
        shutil.copytree(presumed / "work", tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KSEG_HOME", str(presumed / "home"))
    # What `lite/` makes of it: tests/lite/test_made_package.py.
    monkeypatch.setitem(sys.modules, "kseg_lite", kseg.lite)
    blocks = page_blocks.blocks(PAGES[name])
    assert sum(not block.runs for block in blocks) == NOT_RUN.get(name, 0)
    namespace = {"__name__": "page", **PRESUMED.get(name, {})}
    page = Page(name, presumed / "work" / "photos", namespace)
    for block in blocks:
        with naming(f"{name}:{block.line}"):
            assert block.language in LANGUAGES, f"a fence of {block.language!r}"
            LANGUAGES[block.language](page, block)
    assert page.shortened == set(SMALLER.get(name, ()))


@contextlib.contextmanager
def naming(where):
    """Adds to an error where on the page it is."""
    try:
        yield
    except Exception as error:
        error.add_note(f"at {where}")
        raise


@pytest.mark.parametrize("name", PAGES)
def test_the_commands_in_the_text_of_a_page(name):
    for line, command in page_blocks.commands(PAGES[name]):
        with naming(f"{name}:{line}, {command}"):
            shell_blocks.check_in_text(command)
