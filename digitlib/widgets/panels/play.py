"""The panel "Play": the game "Draw a 7!", the drawing as it was drawn, and files to save."""

from __future__ import annotations

import threading
from collections.abc import Callable

import ipywidgets

from digitlib.widgets.html import named
from digitlib.widgets.pad import DrawingPad
from digitlib.widgets.panels.base import Panel
from digitlib.widgets.panels.downloads import downloads_html
from digitlib.widgets.panels.game import ROUND, SECONDS, Game
from digitlib.widgets.panels.replay import replay_html, time_strokes

CHEER = 1.2  # s that "Yes!" is shown


class Play(Panel):
    """Asks for digits against the clock; replays what was drawn, and saves it.

    Args:
        pad: that is drawn on.
    """

    title = "Play"

    def __init__(self, pad: DrawingPad) -> None:
        self.game = Game()
        self._points = 0  # of the digit that is right, while "Yes!" is shown
        self._timer: threading.Timer | None = None
        self._board = ipywidgets.HTML().add_class("dp-board")
        self._start = self._button("Start", self._start_or_stop)
        self._skip = self._button("Skip", self._miss)
        self._drawing = ipywidgets.HTML().add_class("dp-drawn")
        self._replay = self._button("Replay", lambda: self._show_drawing(moving=True))
        self._files = ipywidgets.HTML().add_class("dp-files")
        game = _box("dp-game", self._board, _box("dp-actions", self._start, self._skip))
        keep = _box("dp-keep", self._drawing, _box("dp-actions", self._replay, self._files))
        super().__init__(pad, [game, keep])
        self._show_board()

    def refresh(self) -> None:
        """A drawing may be what is asked; between rounds it can be replayed and saved."""
        found = self.pad.prediction
        if self.game.asked is None:
            self._show_drawing()
        elif found is not None and not found.rejected and not self._points:
            self._points = self.game.hit(found.digit, found.confidence)
            if self._points:
                self._show_board()
                self._later(CHEER, self._next)

    def closed(self) -> None:
        """A game that nobody sees is over."""
        self._stop()

    # --- the game --------------------------------------------------------------------------

    def _start_or_stop(self) -> None:
        if self.game.asked is None:
            self.game.start()
            self._ask()
            self._show_drawing()
        else:
            self._stop()

    def _stop(self) -> None:
        self._later(0, None)
        self._points = 0
        self.game.stop()
        self._show_board()
        self._show_drawing()

    def _miss(self) -> None:
        self.game.miss()
        self._ask()

    def _next(self) -> None:
        self.game.next()
        self._ask()

    def _ask(self) -> None:
        """Show what is asked now, on an empty pad, or that the round is over."""
        self._points = 0
        self.pad.clear()
        self._show_board()
        self._later(SECONDS, None if self.game.asked is None else self._miss)

    def _later(self, seconds: float, action: Callable[[], None] | None) -> None:
        """Let the clock run anew: one action waits at most, and none once another has come."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        if action is not None:
            timer = threading.Timer(seconds, self.guarded(lambda: self._due(timer, action)))
            timer.daemon = True
            self._timer = timer
            timer.start()

    def _due(self, timer: threading.Timer, action: Callable[[], None]) -> None:
        if timer is self._timer:  # it has not been cancelled while it waited for its turn
            action()

    def _show_board(self) -> None:
        playing = self.game.asked is not None
        self._board.value = board_html(self.game, self._points)
        self._start.description = "Stop" if playing else "Start"
        self._start.tooltip = (
            "End this round" if playing else "Start a round: sure and quick answers score more"
        )
        self._skip.tooltip = "Go on to the next digit"
        self._skip.disabled = not playing

    # --- the drawing -----------------------------------------------------------------------

    def _show_drawing(self, *, moving: bool = False) -> None:
        self._drawing.value = drawing_html(self.pad, moving=moving)
        self._files.value = downloads_html(self.pad)
        self._replay.tooltip = "Replay the drawing as it was drawn"
        self._replay.disabled = not self.pad.traces

    def _button(self, name: str, action: Callable[[], None]) -> ipywidgets.Button:
        button = ipywidgets.Button(description=name)
        button.on_click(lambda _: self.guarded(action)())
        return button.add_class("dp-action")


def board_html(game: Game, points: int = 0) -> str:
    """What is asked, the clock, and the score.

    Args:
        game: as it stands.
        points: of the digit that has just been drawn right; 0 while it is not.
    """
    state = "hit" if points else "over" if game.number or game.score else "idle"
    attributes = ""
    if game.asked is not None and not points:
        state, attributes = "asked", f' data-asked="{game.asked}" data-turn="{game.number % 2}"'
    text = {
        "idle": "Draw a 7! <small>Ten digits, ten seconds each.</small>",
        "hit": f"Yes! <small>+{points}</small>",
        "over": f"{game.score} points <small>{game.right} of {ROUND} right"
                f"{', the best so far' if game.score == game.best > 0 else ''}</small>",
        "asked": f"Draw {named(game.asked or 0)}!",  # it is not None then
    }[state]  # fmt: skip
    digit = "–" if game.asked is None else f"{game.number + 1}/{ROUND}"
    counts = {"Digit": digit, "Score": game.score, "In a row": game.streak, "Best": game.best}
    aloud = "" if state == "idle" else ' role="alert"'
    stats = "".join(f"<div><dt>{name}</dt><dd>{count}</dd></div>" for name, count in counts.items())
    return (
        f'<div data-game="{state}"{attributes}><p{aloud}>{text}</p>'
        f'<div class="dp-clock" aria-hidden="true"><i></i></div><dl>{stats}</dl></div>'
    )


def drawing_html(pad: DrawingPad, *, moving: bool = False) -> str:
    """The strokes on a pad, and how long they took."""
    picture = replay_html(pad.traces, pad.extent, moving=moving)
    return f"<figure>{picture}<figcaption>{_caption(pad)}</figcaption></figure>"


def _caption(pad: DrawingPad) -> str:
    if pad.image is not None:
        return "A picture has no strokes to replay."
    if not pad.traces:
        return "A drawing can be replayed and saved here."
    drawn = time_strokes(pad.traces, min(pad.extent)).drawn
    return "Drawn by a program: even speed." if drawn is None else f"Drawn in {drawn:.1f} s."


def _box(name: str, *children: ipywidgets.Widget) -> ipywidgets.Box:
    return ipywidgets.Box(children).add_class(name)
