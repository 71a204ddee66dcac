"""Every variable that the code reads is in .env.example with its default, and reaches the containers."""

import ast
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
READERS = ("annotate/settings.py", "annotate/common/management/commands/up.py")
EXAMPLE = (REPOSITORY / ".env.example").read_text()
COMPOSE = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text())
TOUCHSTONE_SERVICES = ("web", "worker", "trainer", "beat", "scorer", "migrate")
# In .env.example these show what the code works out from the others.
DERIVED = {"PUBLIC_URL", "SCORER_URL", "ALLOWED_HOSTS"}
COMPOSE_ONLY = {"POSTGRES_PASSWORD"}


def variables_read() -> dict[str, Any]:
    """Name -> constant default (None where it is computed) of every `env.<type>("NAME", default)` in READERS."""
    found: dict[str, Any] = {}
    for reader in READERS:
        for node in ast.walk(ast.parse((REPOSITORY / reader).read_text())):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args):
                continue
            owner = ast.unparse(node.func.value)
            if owner not in ("env", "self.env", "environ.Env()") or not isinstance(node.args[0], ast.Constant):
                continue
            defaults = [*node.args[1:], *(word.value for word in node.keywords if word.arg == "default")]
            try:
                default = ast.literal_eval(defaults[0]) if defaults else None
            except ValueError:
                default = None
            name = str(node.args[0].value)
            found[name] = found.get(name) if default is None else default
    return found


def example() -> dict[str, str]:
    return dict(re.findall(r"^#([A-Z][A-Z0-9_]*)=(.*)$", EXAMPLE, flags=re.MULTILINE))


def test_the_code_reads_nothing_that_the_example_does_not_list() -> None:
    read = variables_read()
    assert {"DATABASE_URL", "REDIS_URL", "SECRET_KEY", "DEBUG", "WEB_THREADS", "DEMO", "SCORER_PORT"} <= set(read)
    assert set(example()) - COMPOSE_ONLY == set(read)


def test_no_other_module_of_the_peoples_wing_reads_the_environment() -> None:
    """So that the test above sees every variable; these take what systems set (PATH, and PORT of a container)."""
    allowed = {"annotate/celery.py", "annotate/wsgi.py"}
    allowed |= {f"annotate/common/{name}.py" for name in ("local_servers", "supervisor", "probe")}
    allowed |= {"annotate/jobs/context.py", *READERS}
    readers = {
        str(path.relative_to(REPOSITORY))
        for path in (REPOSITORY / "annotate").rglob("*.py")
        if re.search(r"os\.(environ|getenv)", path.read_text())
    }
    assert readers - allowed == set()


@pytest.mark.parametrize("name", sorted(set(example()) - COMPOSE_ONLY - DERIVED))
def test_the_example_shows_the_default_of(name: str) -> None:
    default = variables_read()[name]
    shown = example()[name]
    if default is None or default == "":
        assert shown == "" or default is None
    elif isinstance(default, bool):
        assert shown == str(int(default))
    elif isinstance(default, list):
        assert shown == ",".join(default)
    else:
        assert shown == str(default)


def test_each_variable_has_a_line_that_explains_it() -> None:
    lines = EXAMPLE.splitlines()
    explained = set()
    for number, line in enumerate(lines):
        if re.match(r"#[A-Z][A-Z0-9_]*=", line):
            above = [text for text in lines[max(0, number - 4) : number] if not re.match(r"#[A-Z][A-Z0-9_]*=", text)]
            if any(text.startswith("# ") for text in above):
                explained.add(line.split("=")[0][1:])
    assert explained == set(example())


def test_no_line_of_the_example_sets_anything() -> None:
    """A copy of the whole file changes nothing."""
    assert [line for line in EXAMPLE.splitlines() if line and not line.startswith("#")] == []


def test_containers_get_every_variable() -> None:
    for service in TOUCHSTONE_SERVICES:
        assert set(COMPOSE["services"][service]["environment"]) == set(variables_read()), service


def test_compose_takes_the_defaults_of_the_code() -> None:
    shown = example()
    # Logs of containers are read by machines; the address of the servers is the network's.
    other = {"LOG_FORMAT", "DATABASE_URL", "REDIS_URL", "ARTIFACTS_URL", "SCORER_URL", "CSRF_TRUSTED_ORIGINS"}
    checked = 0
    for name, value in COMPOSE["services"]["web"]["environment"].items():
        match = re.fullmatch(r"\$\{([A-Z_]+):-(.*)\}", str(value))
        if match:
            assert match[1] == name
            if name not in other:
                assert match[2] == shown[name], name
                checked += 1
    assert checked > 10


def test_compose_starts_what_up_starts_and_waits_for_what_it_needs() -> None:
    services = COMPOSE["services"]
    assert set(services) == {*TOUCHSTONE_SERVICES, "postgres", "redis"}
    for name in set(TOUCHSTONE_SERVICES) - {"migrate"}:
        assert services[name]["depends_on"]["migrate"]["condition"] == "service_completed_successfully", name
    assert {needed["condition"] for needed in services["migrate"]["depends_on"].values()} == {"service_healthy"}
    assert services["worker"]["command"][services["worker"]["command"].index("-Q") + 1] == "default"
    assert {services[name]["build"]["target"] for name in ("web", "worker", "beat", "migrate")} == {"web"}
    assert {services[name]["build"]["target"] for name in ("trainer", "scorer")} == {"worker"}
    assert services["postgres"]["networks"] == services["redis"]["networks"] == ["private"]
    used = {volume.split(":")[0] for service in services.values() for volume in service.get("volumes", [])}
    assert used == set(COMPOSE["volumes"])


def test_the_web_image_has_no_torch() -> None:
    web = (REPOSITORY / "requirements-web.txt").read_text()
    assert not re.search(r"^(torch|transformers|-r)", web, flags=re.MULTILINE)
    stages = dict(
        re.findall(r"^FROM [^\n]* AS (\S+)\n(.*?)(?=^FROM |\Z)", dockerfile(), flags=re.MULTILINE | re.DOTALL)
    )
    assert "requirements-train.txt" not in stages["web-packages"] + stages["web"]
    assert "--from=web-packages" in stages["web"]
    for name in ("web", "worker"):
        assert re.search(r"^USER touchstone$", stages[name], flags=re.MULTILINE)
        assert re.search(r"^HEALTHCHECK ", stages[name], flags=re.MULTILINE)


def dockerfile() -> str:
    return (REPOSITORY / "Dockerfile").read_text()


def test_images_copy_only_what_is_sent_to_the_builder() -> None:
    """.dockerignore names what is sent; a COPY of anything else would fail at build time."""
    sent = set(re.findall(r"^!(\S+)$", (REPOSITORY / ".dockerignore").read_text(), flags=re.MULTILINE))
    copied = [
        source.rstrip("/").split("/")[0]
        for line in re.findall(r"^COPY (?!--from)(.*)$", dockerfile(), flags=re.MULTILINE)
        for source in line.split()[:-1]
    ]
    assert copied
    assert set(copied) == sent
    assert [name for name in sent - {"frontend"} if not (REPOSITORY / name).exists()] == []
