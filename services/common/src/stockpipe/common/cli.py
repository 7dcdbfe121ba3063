"""Command lines: flags from a Settings class, errors as one line, documented exit codes."""

import argparse
import difflib
import inspect
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec
from pydantic import ValidationError
from pydantic_settings import CliApp, CliSettingsSource

from stockpipe.common.errors import EXIT_INTERRUPTED, ConfigError, PipelineError
from stockpipe.common.settings import ServiceSettings, SummarySettings

EXIT_CODES = (
    "exit codes: 0 done; 1 the result is wrong; 2 a setting or flag is wrong; 3 broker, store or warehouse can't be "
    "reached; 4 the input is refused; 5 done in part; 130 interrupted"
)


S = TypeVar("S", bound=ServiceSettings)


@dataclass(frozen=True)
class Command(Generic[S]):
    """One command of a program: `run` gets the settings and returns the exit code."""

    settings: type[S]
    run: Callable[[S], int]

    @property
    def about(self) -> str:
        """Return the first line of the settings' docstring."""
        return (self.settings.__doc__ or "").strip().splitlines()[0]


def run_program(program: str, commands: Mapping[str, Command[Any]], arguments: Sequence[str] | None = None) -> None:
    """Run the command that `arguments` name and leave the process with its exit code.

    A command named "" is the one that runs when the first argument is a flag or there is none.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    try:
        sys.exit(_dispatch(program, commands, arguments))
    except PipelineError as error:
        print(f"{program}: error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)


def print_summary(settings: SummarySettings, summary: Any) -> None:
    """Print `summary` as one line of JSON and, where XCOM_PATH is set, write it there too.

    Raises:
        ConfigError: that file can't be written.
    """
    line = msgspec.json.encode(summary).decode()
    print(line, flush=True)
    write_xcom(settings, line)


def write_xcom(settings: SummarySettings, line: str) -> None:
    """Write `line` to the file XCOM_PATH, if that is set.

    Raises:
        ConfigError: that file can't be written.
    """
    if settings.xcom_path is None:
        return
    try:
        Path(settings.xcom_path).write_text(line)
    except OSError as error:
        raise ConfigError(f"XCOM_PATH {settings.xcom_path!r} can't be written: {error.strerror}") from error


def _dispatch(program: str, commands: Mapping[str, Command[Any]], arguments: list[str]) -> int:
    name = arguments[0] if arguments and not arguments[0].startswith("-") else ""
    if name not in commands:
        if name:
            hint = _nearest(name, commands)
            raise ConfigError(f"unknown command {name!r}{hint}; see {program} --help")
        print(_overview(program, commands))
        return 0 if arguments and arguments[0] in ("-h", "--help") else ConfigError.exit_code
    command = commands[name]
    _refuse_misspelt_variables(command.settings, os.environ)
    settings = _load(f"{program} {name}".strip(), command, arguments[1:] if name else arguments)
    return command.run(settings)


def _overview(program: str, commands: Mapping[str, Command[Any]]) -> str:
    width = max(map(len, commands))
    lines = [f"usage: {program} COMMAND [FLAG ...]", "", "commands:"]
    lines += [f"  {name:<{width}}  {command.about}" for name, command in commands.items()]
    return "\n".join([*lines, "", f"`{program} COMMAND --help` lists a command's flags.", EXIT_CODES])


def _load(program: str, command: Command[S], arguments: list[str]) -> S:
    for flag, value in pairwise([*arguments, "end"]):
        if flag.startswith("--") and (flag.endswith("=") or not value):
            raise ConfigError(f"{flag.removesuffix('=')} has an empty value; give one, or leave the flag out")
    source: CliSettingsSource[Any] = CliSettingsSource(command.settings, cli_prog_name=program, cli_parse_args=False)
    _tidy_help(source.root_parser, program, command.settings)
    try:
        return CliApp.run(command.settings, cli_args=arguments, cli_settings_source=source)
    except ValidationError as error:
        raise ConfigError("; ".join(_sentence(details) for details in error.errors())) from None


_PLACEHOLDERS = {"str": "TEXT", "SecretStr": "TEXT", "Path": "PATH", "int": "N", "float": "N", "bool": "BOOL"}


def _tidy_help(parser: argparse.ArgumentParser, program: str, settings: type[ServiceSettings]) -> None:
    """Give the generated parser a short usage and show the command's own flags before the shared ones."""
    parser.usage = f"{program} [FLAG ...]"
    parser.description = inspect.cleandoc(settings.__doc__ or "")
    parser.epilog = EXIT_CODES
    parser.allow_abbrev = False
    parser.formatter_class = partial(_HelpFormatter, max_help_position=34, width=110)
    depth: dict[str, int] = {}
    for position, owner in enumerate(settings.__mro__):
        for name in vars(owner).get("__annotations__", {}):
            depth.setdefault(name, position)
    for group in parser._action_groups:
        group._group_actions.sort(key=lambda action: depth.get(action.dest, -1))
    for action in parser._actions:
        if isinstance(action.metavar, str):
            action.metavar = _PLACEHOLDERS.get(
                action.metavar, "A,B,..." if "tuple" in action.metavar else action.metavar
            )
        if action.help:
            text = action.help.replace(" (default: None)", "").replace(" (default: ())", "")
            action.help = re.sub(r"\(default: \((.*?),?\)\)", lambda found: f"(default: {_joined(found[1])})", text)


def _joined(items: str) -> str:
    return items.replace("'", "").replace(", ", ",")


class _HelpFormatter(argparse.HelpFormatter):
    """Keeps the paragraphs of the description."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return "\n\n".join(super(_HelpFormatter, self)._fill_text(part, width, indent) for part in text.split("\n\n"))


def _sentence(details: Any) -> str:
    name = ".".join(str(part) for part in details["loc"][:1])
    names = f"{name.upper()} (--{name.replace('_', '-')})"
    if details["type"] == "missing":
        return f"{names} is required: set the variable or the flag"
    message = details["msg"].removeprefix("Value error, ")
    return f"{names}={details['input']!r}: {message[:1].lower()}{message[1:]}" if name else message


def _nearest(word: str, known: Any) -> str:
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f", did you mean {close[0]!r}?" if close else ""


def _refuse_misspelt_variables(settings: type[ServiceSettings], environment: Mapping[str, str]) -> None:
    """Raise ConfigError for a variable that is nearly, but not quite, a setting's name.

    The environment is full of names that aren't ours, so an unknown name alone is no error.
    """
    known = {name.upper() for name in settings.model_fields}
    for name in environment:
        if name in known or name.removesuffix("_FILE") in known or "_" not in name:
            continue
        close = difflib.get_close_matches(name, known, n=1, cutoff=0.92)
        if close:
            raise ConfigError(f"unknown setting {name}, did you mean {close[0]}?")
