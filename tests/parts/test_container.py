"""The task definition and the program mean the same variables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from deployments import DEFAULTS, Editions, everything

from generator.parts import container_program
from server import contract
from server.settings import Settings

NAMES = {
    name
    for it in contract.ALL
    for name in ((it.username, it.password) if isinstance(it, contract.Account) else (it.name,))
}


class Read(Mapping[str, str]):
    """An environment that remembers what it was asked for."""

    def __init__(self, values: dict[str, str]) -> None:
        self._values = values
        self.names: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.names.add(name)
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def test_the_program_reads_what_the_contract_has() -> None:
    arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:one"
    given = Read(
        {
            "PUBLISHER_USERNAME": "publisher",
            "PUBLISHER_PASSWORD": "secret",
            "READER_USERNAME": "reader",
            "READER_PASSWORD": "secret",
            "UPSTREAM_URL": "https://pypi.org/simple",
            "PASSWORD_ROTATION_DAYS": "30",
            "PUBLISHER_SECRET": arn,
            "SECRETS_ENDPOINT": "https://secretsmanager.eu-west-1.amazonaws.com",
        }
    )
    Settings.from_environment(given)
    of_ecs = {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"}
    assert given.names - of_ecs == NAMES


def test_the_task_definition_sets_what_the_contract_has(editions: Editions) -> None:
    for values in (DEFAULTS, everything()):
        (server,) = editions.single(values).resources["TaskDefinition"]["Properties"]["ContainerDefinitions"]
        given = {it["Name"] for it in (*server["Environment"], *server["Secrets"])}
        assert given - {container_program.VARIABLE} <= NAMES


def test_the_image_starts_the_program_and_its_check_by_the_python_that_it_has(editions: Editions) -> None:
    (server,) = editions.single().resources["TaskDefinition"]["Properties"]["ContainerDefinitions"]
    interpreter, option, _ = server["EntryPoint"]
    assert (interpreter, option) == ("python3", "-c")
    assert server["HealthCheck"]["Command"][:3] == ["CMD", "python3", "-c"]
