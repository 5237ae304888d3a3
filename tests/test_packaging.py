"""What a newcomer does first: follow the README, install a wheel."""

import re
import shlex
import shutil
import subprocess
import sys
import zipfile

import pytest

from facesim.install import install_command

NOT_SOURCE = shutil.ignore_patterns(".*", "*.egg-info", "build", "dist", "runs", "__pycache__", "tests")


def test_the_first_command_prints_what_the_readme_says(repository):
    readme = (repository / "README.md").read_text("utf-8")
    command = next(line for line in readme.splitlines() if "predict.py" in line).rpartition("&&")[2]
    _, *arguments = shlex.split(command)
    ran = subprocess.run([sys.executable, *arguments], cwd=repository, capture_output=True, text=True, check=True)
    shown = "".join(f"    {line}\n" for line in ran.stdout.splitlines())
    assert f"\n{shown}\n" in readme


@pytest.mark.slow
def test_a_wheel_carries_what_it_needs_and_works_from_any_folder(repository, tmp_path, hopper, collins):
    source = tmp_path / "source"
    shutil.copytree(repository, source, ignore=NOT_SOURCE)
    subprocess.run([sys.executable, "-m", "build", "--wheel", "-o", tmp_path, source], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    suffixes = {".py", ".html", ".css", ".js", ".svg"}
    files = [path for path in (repository / "facesim").rglob("*") if path.suffix in suffixes]
    assert {file.suffix for file in files} == suffixes
    for file in files:
        assert (tmp_path / "site" / file.relative_to(repository)).read_bytes() == file.read_bytes()
    for name in ("hog.svm", "cnn.onnx", "ORIGIN.md"):
        assert (tmp_path / "site" / "facesim" / "detector" / name).is_file()
    call = f"import sys; sys.path.insert(0, {str(tmp_path / 'site')!r}); from facesim.cli import main; main()"
    command = [sys.executable, "-c", call, "predict", "--json", str(hopper), str(collins)]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert str(tmp_path / "site") in ran.stdout
    (tmp_path / "photo.heic").write_bytes(b"\0\0\0\x18ftypheic")
    (tmp_path / "pillow_heif.py").write_text("raise ModuleNotFoundError('none', name='pillow_heif')")
    ran = subprocess.run([*command[:-2], "photo.heic", str(hopper)], cwd=tmp_path, capture_output=True, text=True)
    assert "pip install 'facesim-verify[heic]'" in ran.stderr


def test_a_hint_is_right_for_how_facesim_was_installed(tmp_path):
    assert install_command("heic") == "pip install -e '.[heic]'"
    assert install_command("heic", tmp_path / "site-packages" / "facesim") == "pip install 'facesim-verify[heic]'"
    assert install_command("", tmp_path / "site-packages" / "facesim") == "pip install 'facesim-verify'"


def test_no_other_text_says_how_to_install_an_extra(repository):
    named = re.compile(r"facesim(-verify)?\[|\.\[[a-z]+\]'")
    sources = [path for path in (repository / "facesim").rglob("*.py") if path.name != "install.py"]
    assert [path.name for path in sources if named.search(path.read_text("utf-8"))] == []
    pages = [*repository.glob("*.md"), *(repository / "docs").glob("*.md"), *(repository / "models").glob("*.md")]
    assert [path.name for path in pages if "facesim[" in path.read_text("utf-8")] == []
