"""Files are written in one way, by ``files.write_bytes``: what goes past it is listed."""

from __future__ import annotations

import ast
import re

import pytest

from digitlib.files import REPOSITORY

WRITING = re.compile(
    r"write_bytes|write_text|save|savez|savez_compressed|savefig|save_file|tofile|dump|rename|move"
    r"|to_(csv|parquet|excel|pickle|html|feather)|urlretrieve|extract|extractall|unpack_archive"
    r"|copyfile|copy2|copytree|copyfileobj|mkstemp|NamedTemporaryFile|execute_notebook|MNIST"
)
DOWNLOADED = "into a folder of its own, from which it is moved once it is checked"
MEMORY, OURS = "into memory", "by write_bytes, in the end"
ALLOWED = {  # calls past write_bytes, and why
    "files.py partial.open": "the one way",
    "files.py partial.replace": "the one way",
    "datasets/drawing_file.py os.open": "appended in one piece; taken back where that fails",
    "datasets/mnist.py MNIST": DOWNLOADED,
    "datasets/mnist.py path.replace": DOWNLOADED,
    "datasets/pendigits.py urllib.request.urlretrieve": DOWNLOADED,
    "datasets/pendigits.py (partial / name).replace": DOWNLOADED,
    "datasets/unipen.py archive.extract": DOWNLOADED,
    "datasets/unipen.py folder.rename": DOWNLOADED,
    "datasets/unipen.py top.rename": DOWNLOADED,
    "reports/runner.py papermill.execute_notebook": MEMORY,
    "datasets/drawing.py picture.reduce(-(-max(picture.size) // MAX_SIDE)).save": MEMORY,
    "datasets/pictures.py picture.save": MEMORY,
    "evaluation/training_digits.py np.savez_compressed": MEMORY,
    "models/display.py image.save": MEMORY,
    "widgets/html.py picture.save": MEMORY,
    "widgets/panels/downloads.py Image.fromarray(pad.picture()).save": MEMORY,
    "widgets/panels/downloads.py Image.fromarray(prediction.frame).save": MEMORY,
    "training/commands.py labels.save": OURS,
    "training/experiments.py both.to_csv": MEMORY,
    "training/experiments.py runs.drop(columns='nll').rename": "no file",
    "training/steps.py labels.save": OURS,
    "training/trainer.py run.save": OURS,
    "files.py ast.dump": "no file",
    "widgets/history.py self.replace": "no file",
    "widgets/pad.py self._history.replace": "no file",
}


def may_write(call: ast.Call) -> bool:
    """Whether this is a call by which Python writes files; our own are functions, no methods."""
    name = ast.unparse(call.func).rpartition(".")[2]
    values = [*call.args, *(keyword.value for keyword in call.keywords)]
    texts = [value.value for value in values if isinstance(value, ast.Constant)]
    if name == "open":
        modes = [text for text in texts if isinstance(text, str) and re.match("[rwaxbt+]+$", text)]
        return ast.unparse(call.func) == "os.open" or any(set("wax+") & {*mode} for mode in modes)
    if name == "MNIST":
        return any(keyword.arg == "download" for keyword in call.keywords)
    if isinstance(call.func, ast.Name):
        return False
    if name == "replace":  # of a path: one argument
        return len(values) == 1 and not texts
    return bool(WRITING.fullmatch(name))


def test_every_file_is_written_in_the_one_way() -> None:
    package = REPOSITORY / "digitlib"
    found = {
        f"{path.relative_to(package).as_posix()} {ast.unparse(node.func)}"
        for path in package.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and may_write(node)
    }
    assert found == {*ALLOWED}


@pytest.mark.parametrize(
    "text",
    [
        "open(path, 'w')", "path.open(mode='ab')", "path.write_text('a')", "np.save(path, a)",
        "figure.savefig(path)", "path.rename(other)", "partial.replace(path)", "os.open(path, 1)",
        "shutil.copyfile(a, b)", "frame.to_csv(path)", "torch.save(model, path)",
    ],
)  # fmt: skip
def test_a_new_writer_would_be_found(text: str) -> None:
    (call,) = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call))
    assert may_write(call)
