"""The panel "Learn my handwriting": the network learns what is stored, and is put to use."""

from __future__ import annotations

import html
from collections import Counter
from pathlib import Path
from typing import Any

import ipywidgets

from digitlib.datasets.drawing_file import SWITCHED_OFF, DrawingFile, drawings_folder
from digitlib.datasets.labels import NO_DIGIT, label_name
from digitlib.errors import WeightsError
from digitlib.models.recognizer import Recognizer
from digitlib.widgets.pad import DrawingPad
from digitlib.widgets.panels.lesson import MISSING, PERSONAL, LessonProcess, can_learn
from digitlib.widgets.panels.panel import Panel

ROWS = {"drawings": "Your drawings, each by a network not taught it", "digits": "", "others": ""}


class Teach(Panel):
    """Counts the stored drawings, teaches them in a process of its own, and changes networks.

    Args:
        pad: that reads with the network in use.
    """

    title = "Learn my handwriting"

    def __init__(self, pad: DrawingPad) -> None:
        self._lesson: LessonProcess | None = None
        self._bundled = None if _is_personal(pad.recognizer) else pad.recognizer
        self._state: Any = None
        self._counts = ipywidgets.HTML().add_class("dp-counts")
        self._progress = ipywidgets.HTML().add_class("dp-lesson")
        self._result = ipywidgets.HTML().add_class("dp-outcome")
        self._use_state = ipywidgets.HTML().add_class("dp-use")
        self._learn = self._button("Learn", self._learn_or_cancel)
        self._use = self._button("Use it", self._change_network)
        learn = ipywidgets.Box([self._learn, self._progress]).add_class("dp-actions")
        use = ipywidgets.Box([self._use_state, self._use]).add_class("dp-actions")
        super().__init__(pad, [self._counts, learn, self._result, use])
        self._show()

    def refresh(self) -> None:
        """Count the drawings where the file has changed."""
        if self._state != _state():
            self._show()

    # --- learning --------------------------------------------------------------------------

    def _learn_or_cancel(self) -> None:
        if self._lesson is not None:
            self._lesson.stop()
            return
        self.say("")
        self._result.value = ""
        folder = DrawingFile().folder
        self._lesson = LessonProcess(folder, self.guarded(self._hear))
        self._progress.value = progress_html({"stage": "starting", "step": 0, "steps": 1})
        self._show()

    def _hear(self, line: dict[str, Any]) -> None:
        """A step of the lesson, or its end."""
        if "stage" in line:
            self._progress.value = progress_html(line)
            return
        self._lesson, self._progress.value = None, ""
        if "result" in line:
            self._result.value = result_html(line["result"])
        else:
            self.say(line.get("failed", "Stopped: nothing has changed."), failed="failed" in line)
        self._show()
        if line.get("result", {}).get("kept") and _is_personal(self.pad.recognizer):
            self._use_personal()

    # --- networks --------------------------------------------------------------------------

    def _change_network(self) -> None:
        self.say("")
        if _is_personal(self.pad.recognizer):
            self.pad.recognizer = self._bundled or Recognizer.load()
        else:
            self._use_personal()
        self._show()

    def _use_personal(self) -> None:
        """Read with the personal network; the bundled one stays where it is damaged."""
        try:
            personal = Recognizer.load(_personal_path())
        except (WeightsError, OSError) as error:
            self._show()
            raise WeightsError(f"Your network cannot be used: {error} Learn again.") from error
        self.pad.recognizer = personal
        self._show()

    # --- what is shown ---------------------------------------------------------------------

    def _show(self) -> None:
        self._state = _state()
        if drawings_folder() is None:
            self._learn.disabled, self._use.layout.display = True, "none"
            self.say(SWITCHED_OFF)
            return
        self._counts.value = counts_html(Counter(each.label for each in DrawingFile().read()))
        learning = self._lesson is not None
        self._learn.description = "Cancel" if learning else "Learn"
        self._learn.tooltip = (
            "Stop learning: nothing changes" if learning else "Learn the stored drawings"
        )
        self._learn.disabled = not can_learn()
        if self._learn.disabled:
            self.say(MISSING)
        own, there = _is_personal(self.pad.recognizer), _personal_path().is_file()
        self._use_state.value = use_html(self.pad.recognizer, there=there)
        self._use.layout.display = None if own or there else "none"
        self._use.description = "Back to the bundled network" if own else "Use it"
        self._use.tooltip = (
            "Read with the network that everybody has" if own else "Read with your network"
        )

    def _button(self, name: str, action: Any) -> ipywidgets.Button:
        button = ipywidgets.Button(description=name)
        button.on_click(lambda _: self.guarded(action)())
        return button.add_class("dp-action")


def _personal_path() -> Path:
    return DrawingFile().folder / PERSONAL


def _is_personal(recognizer: Any) -> bool:
    """Its card says so."""
    card = getattr(recognizer, "card", None)
    return card is not None and "personal" in card.training


def _state() -> Any:
    """What changes with the stored drawings and the personal network; None where they are not."""
    folder = drawings_folder()
    if folder is None:
        return None
    found = [
        path.stat() for name in ("drawings.jsonl", PERSONAL) if (path := folder / name).exists()
    ]
    return folder, [(each.st_mtime_ns, each.st_size) for each in found]


def counts_html(counts: Counter[int]) -> str:
    """How many drawings are stored of each label."""
    cells = "".join(
        f"<div><dt>{label_name(label)}</dt><dd>{counts[label]}</dd></div>"
        for label in range(NO_DIGIT + 1)
    )
    total = counts.total()
    stored = {0: "No drawing is stored yet", 1: "One drawing is stored"}.get(
        total, f"{total:,} drawings are stored"
    )
    return f"<p>{stored}: tell below the pad what each really is.</p><dl>{cells}</dl>"


def progress_html(step: dict[str, Any]) -> str:
    """A bar, and what is done now."""
    stage = html.escape(step["stage"])
    return (
        f'<progress max="{step["steps"]}" value="{step["step"]}" aria-label="Learning"></progress>'
        f'<span role="status">{stage}</span>'
    )


def result_html(result: dict[str, Any]) -> str:
    """Right before and after, and whether the network was kept."""
    names = ROWS | dict(zip(("digits", "others"), result["places"], strict=True))
    rows = "".join(
        f"<tr><th scope=row>{html.escape(name)}</th><td>{result[key]['before']:,}</td>"
        f"<td>{result[key]['after']:,}</td><td>of {result[key]['total']:,}</td></tr>"
        for key, name in names.items()
    )
    kept = "kept" if result["kept"] else "dropped"
    return (
        f'<p role="status" data-lesson="{kept}">{html.escape(result["verdict"])}</p>'
        "<table><thead><tr><td></td><th scope=col>right before</th><th scope=col>after</th>"
        f"<td></td></tr></thead><tbody>{rows}</tbody></table>"
    )


def use_html(recognizer: Any, *, there: bool) -> str:
    """Which network reads the pad, and whether there is a personal one."""
    if _is_personal(recognizer):
        count = html.escape(str(recognizer.card.training["personal"]["drawings"]["total"]))
        return f"<p>Your network reads the pad, taught {count} drawings.</p>"
    rest = " Your own is ready." if there else ""
    return f"<p>The bundled network reads the pad.{rest}</p>"
