"""`make lab` opens copies: the report's own notebooks stay as they are."""

import json
import subprocess
import sys
import time
import urllib.request

import psutil
import pytest
from processes import listening

from helpers import paths
from helpers.__main__ import main
from helpers.runner import lab
from helpers.runner.jobs import kernel_environment


@pytest.fixture
def started(tmp_path, monkeypatch):
    """The commands that would become JupyterLab; the copies are in a folder of the test."""
    commands = []
    monkeypatch.setattr(lab, "LAB", tmp_path / "lab")
    monkeypatch.setattr(lab.os, "execve", lambda *given: commands.append(given))
    return commands


def test_copies_are_made_once_and_a_changed_one_is_kept(started, tmp_path, capsys):
    assert main(["lab"]) == 0
    tracked = {file.name: file.read_bytes() for file in paths.NOTEBOOKS.glob("*.ipynb")}
    assert {file.name: file.read_bytes() for file in (tmp_path / "lab").iterdir()} == tracked
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 2 and said[1] == f"To bring a change back into the report: {lab.BACK}"
    mine = tmp_path / "lab" / "03_latent_10d.ipynb"
    mine.write_text(mine.read_text().replace("latent_dim: int = 10", "latent_dim: int = 5"))
    (tmp_path / "lab" / "02_latent_1d.ipynb").unlink()
    assert main(["lab", "--no-browser", "--port", "9"]) == 0
    said = capsys.readouterr().out
    assert "Kept as you left them: 03_latent_10d.ipynb. For a fresh copy, delete or rename" in said
    assert "latent_dim: int = 5" in mine.read_text()
    assert (tmp_path / "lab" / "02_latent_1d.ipynb").read_bytes() == tracked["02_latent_1d.ipynb"]
    assert tracked == {file.name: file.read_bytes() for file in paths.NOTEBOOKS.glob("*.ipynb")}
    assert started[1][1][-3:] == ["--no-browser", "--port", "9"]


def test_git_ignores_the_copies():
    place = (lab.LAB / "00_baseline.ipynb").relative_to(paths.ROOT)
    command = ["git", "check-ignore", "--quiet", str(place)]
    assert subprocess.run(command, cwd=paths.ROOT).returncode == 0


def test_options_are_jupyters_of_this_command_alone(capsys):
    with pytest.raises(SystemExit) as left:
        main(["parameters", "--no-browser"])
    assert left.value.code == 2 and "--no-browser" in capsys.readouterr().err


def test_bringing_a_change_back_takes_it_and_no_outputs(tmp_path):
    """The printed command, from a folder with the two folders in it."""
    source = paths.NOTEBOOKS / "03_latent_10d.ipynb"
    for name in ("lab", "notebooks"):
        (tmp_path / name).mkdir()
        (tmp_path / name / source.name).write_bytes(source.read_bytes())
    notebook = json.loads(source.read_text())
    code = next(cell for cell in notebook["cells"] if cell["cell_type"] == "code")
    output = {"output_type": "stream", "name": "stdout", "text": ["seen\n"]}
    code |= {"execution_count": 7, "outputs": [output], "source": ["latent_dim = 5"]}
    (tmp_path / "lab" / source.name).write_text(json.dumps(notebook))
    command = f"{sys.executable} -m {lab.BACK.replace('NAME', source.stem)}"
    subprocess.run(["sh", "-c", command], cwd=tmp_path, check=True)
    code |= {"execution_count": None, "outputs": []}
    back = tmp_path / "notebooks" / source.name
    assert json.loads(back.read_text()) == notebook
    assert back.read_text() == json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def test_a_copy_imports_helpers_and_uses_the_same_cache_and_results(started, tmp_path):
    main(["lab"])
    code = "from helpers import paths; print(paths.ROOT, paths.cache(), paths.results())"
    options = {"capture_output": True, "text": True, "check": True, "cwd": tmp_path / "lab"}
    done = subprocess.run([sys.executable, "-c", code], env=started[0][2], **options)
    assert done.stdout.split() == [str(paths.ROOT), str(paths.cache()), str(paths.results())]


def test_links_between_the_copies_lead_to_copies(started, tmp_path):
    main(["lab"])
    for file in (tmp_path / "lab").iterdir():
        cells = json.loads(file.read_text())["cells"]
        text = "".join("".join(cell["source"]) for cell in cells)
        links = {link.split("#")[0].rstrip(")") for link in text.split("](")[1:]}
        names = {link.split(")")[0] for link in links if ".ipynb" in link.split(")")[0]}
        assert all((tmp_path / "lab" / name).exists() for name in names), names


def test_jupyterlab_listens_on_this_machine_alone(tmp_path):
    """Started as the command starts it, on a folder of this test; with a kernel that runs."""
    code = (
        "import pathlib, sys; from helpers.runner import lab; "
        "lab.LAB = pathlib.Path(sys.argv[1]); lab.open_lab(sys.argv[2:])"
    )
    options = ["--no-browser", "--ServerApp.port=0", "--allow-root"]
    options.append("--IdentityProvider.token=t")
    command = [sys.executable, "-c", code, str(tmp_path / "lab"), *options]
    home = {"HOME": str(tmp_path), "JUPYTER_RUNTIME_DIR": str(tmp_path / "runtime")}
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, env=kernel_environment() | home, **silent) as process:
        try:
            end, running = time.monotonic() + 180, []
            while not any(file.read_text().endswith("}") for file in running):
                running = [*(tmp_path / "runtime").glob("jpserver-*.json")]
                assert time.monotonic() < end and process.poll() is None
                time.sleep(0.2)
            about = json.loads(running[0].read_text())
            address = f"http://127.0.0.1:{about['port']}{about['base_url']}api/kernels"
            headers = {"Authorization": "token t", "Content-Type": "application/json"}
            ask = urllib.request.Request(address, b'{"name": "python3"}', headers)
            with urllib.request.urlopen(ask, timeout=180) as answer:
                assert answer.status == 201
            while not any(map(listening, psutil.Process(process.pid).children(recursive=True))):
                assert time.monotonic() < end
                time.sleep(0.2)
            assert listening(process) == {"127.0.0.1"}
        finally:
            for one in [*psutil.Process(process.pid).children(recursive=True), process]:
                one.kill()
