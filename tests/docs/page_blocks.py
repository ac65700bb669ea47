"""The code blocks of a Markdown page, and how a Python one is run.

A block of Python is run statement by statement. What stands as a comment behind a
statement that is an expression, and reads like a value, must be its value; behind a
`print`, what is printed. Comments of other words are prose.
"""

import ast
import contextlib
import doctest
import io
import re
import tokenize
from pathlib import Path
from typing import NamedTuple

_FENCE = re.compile(r"^( *)(`{3,}|~{3,})[ ]*([^`]*)$")
_NOT_RUN = re.compile(r"<!-- not run: \S.* -->")
_FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


class Block(NamedTuple):
    """A fenced block: its language, its text, and where it stands.

    `line` is the number of its first line of text, `heading` the heading that it is
    under, `above` the paragraph in front, `runs` whether no comment says otherwise.
    """

    language: str
    text: str
    line: int
    heading: str
    above: str
    runs: bool


def blocks(path: Path) -> list[Block]:
    """Returns the fenced blocks of a page in their order."""
    lines = path.read_text().splitlines()
    found, heading, above, number = [], "", [], 0
    while number < len(lines):
        line = lines[number]
        number += 1
        opening = _FENCE.match(line)
        if opening is None:
            heading = line.lstrip("# ") if line.startswith("#") else heading
            # A blank line ends a paragraph where the next one begins.
            above = above if not line else [*(above if lines[number - 2] else []), line]
            continue
        indent, fence, language = opening.groups()
        first = number
        while lines[number].strip() != fence:
            number += 1
        text = "\n".join(row.removeprefix(indent) for row in lines[first:number])
        number += 1
        comment = lines[first - 2] if first > 1 else ""
        runs = _NOT_RUN.fullmatch(comment.strip()) is None
        paragraph = " ".join(above)
        found.append(Block(language, text, first + 1, heading, paragraph, runs))
    return found


def commands(path: Path) -> list[tuple[int, str]]:
    """Returns the `kseg`, `python` and `make` commands in a page's running text."""
    text = path.read_text()
    for block in re.findall(r"^ *```.*?^ *```", text, re.DOTALL | re.MULTILINE):
        text = text.replace(block, "\n" * block.count("\n"))
    return [
        (text[: found.start()].count("\n") + 1, " ".join(found[1].split()))
        for found in re.finditer(r"`([^`]+)`", text)
        if re.match(r"(kseg|python|make)\s", found[1])
    ]


def statements(block: Block) -> list[ast.stmt]:
    """Returns the statements of a block; none of an interactive session."""
    return [] if block.text.startswith(">>>") else ast.parse(block.text).body


def run_python(block: Block, page: Path, namespace: dict) -> None:
    """Runs a block; its names stay in `namespace`."""
    if block.text.startswith(">>>"):
        _run_doctest(block, page, namespace)
        return
    text = "\n" * (block.line - 1) + block.text + "\n"
    comments = {
        token.start[0]: token.string.lstrip("# ")
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type == tokenize.COMMENT
    }
    for statement in ast.parse(text, page).body:
        comment = comments.get(statement.end_lineno or 0, "")
        if not isinstance(statement, ast.Expr):
            code = compile(ast.Module([statement], []), page, "exec")
            exec(code, namespace)
            continue
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            code = compile(ast.Expression(statement.value), page, "eval")
            value = eval(code, namespace)
        got = printed.getvalue() or repr(value)
        if comment and (printed.getvalue() or _is_value(comment)):
            same = doctest.OutputChecker().check_output(comment, got, _FLAGS)
            where = f"{page}:{statement.end_lineno}"
            assert same, f"{where} promises {comment}, and gives {got}"


def _is_value(comment: str) -> bool:
    """Returns whether a comment is a Python value, such as `[1, 2, ...]`."""
    with contextlib.suppress(ValueError, SyntaxError):
        ast.literal_eval(comment)
        return True
    return False


def _run_doctest(block: Block, page: Path, namespace: dict) -> None:
    """Runs the examples of an interactive session."""
    parser = doctest.DocTestParser()
    test = parser.get_doctest(
        block.text, namespace, page.name, str(page), block.line - 1
    )
    said = io.StringIO()
    runner = doctest.DocTestRunner(optionflags=_FLAGS)
    failed, _ = runner.run(test, out=said.write, clear_globs=False)
    assert not failed, said.getvalue()
    namespace.update(test.globs)
