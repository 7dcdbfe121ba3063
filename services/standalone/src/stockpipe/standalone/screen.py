"""What the demo prints while it works."""

import contextlib
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.markup import escape

from stockpipe.common.clock import Clock


class Screen:
    """Steps with a spinner while they run and a tick with their seconds once done."""

    def __init__(self, console: Console, clock: Clock) -> None:
        self.console = console
        self._clock = clock

    @contextlib.contextmanager
    def step(self, doing: str) -> Iterator["Step"]:
        """Show `doing` until the block ends; the step's `done` text then takes its place."""
        began = self._clock.monotonic()
        step = Step(doing)
        if not self.console.is_terminal:
            self.console.print(f"  … {escape(doing)}", soft_wrap=True)
        with self.console.status(escape(doing)) as status:
            step.show = lambda text: status.update(escape(text))
            yield step
        took = self._clock.monotonic() - began
        self.console.print(f"  [green]✓[/] {escape(step.done)} [dim]({took:.1f} s)[/]", soft_wrap=True, highlight=False)


class Step:
    """One step: `show` changes what is shown while it runs, `done` is what stays."""

    def __init__(self, doing: str) -> None:
        self.done = doing
        self.show: Callable[[str], None] = lambda _text: None
