"""What can be said of the container without an engine: its files parse, and name what exists."""

import json
import re
import shlex

import pytest

from facesim.cli.serve import serve


@pytest.fixture(scope="module")
def steps(repository) -> list[tuple[str, str]]:
    """The Dockerfile's instructions, each with the rest of its line."""
    text = (repository / "Dockerfile").read_text("utf-8").replace("\\\n", "")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(line.split()[0], line.partition(" ")[2]) for line in lines]


def test_what_is_copied_exists_and_is_not_ignored(steps, repository):
    ignored = (repository / ".dockerignore").read_text("utf-8").split()
    copied = [
        name for word, rest in steps if word == "COPY" and "--from" not in rest for name in shlex.split(rest)[:-1]
    ]
    assert {"facesim", "models", "setup.cfg"} <= set(copied)
    assert all((repository / name).exists() for name in copied)
    assert not set(copied) & set(ignored)
    assert "secrets" in ignored


def test_the_command_has_the_options_of_the_verb(steps):
    words = dict(steps)
    command = [*json.loads(words["ENTRYPOINT"]), *json.loads(words["CMD"])]
    with serve.make_context("serve", command[2:]) as context:
        assert context.params["token_file"]
        assert context.params["write"]
    compile(json.loads(words["HEALTHCHECK"].partition("CMD ")[2])[2], "health check", "exec")
    assert words["USER"] == "facesim"


def test_compose_gives_the_container_no_more_than_it_needs(steps, repository):
    yaml = pytest.importorskip("yaml")
    written = yaml.safe_load((repository / "compose.yaml").read_text("utf-8"))
    service = written["services"]["facesim"]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["ports"] == ["127.0.0.1:8765:8765"]
    (token,) = service["secrets"]
    assert f"/run/secrets/{token}" in dict(steps)["ENTRYPOINT"]
    assert written["secrets"][token]["file"] == "secrets/token"
    (volume,) = (mount.split(":") for mount in service["volumes"])
    assert volume[0] in written["volumes"]
    assert volume[1] == dict(steps)["VOLUME"]
    installed = next(rest for word, rest in steps if word == "RUN" and "pip install" in rest)
    assert re.search(r"\[serve,gallery\]", installed)
