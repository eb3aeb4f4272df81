"""A history on a server: who may use it, what is said where it cannot be used, and no secret."""

import traceback

import postgres_rig
import pytest
from history_results import result

from edgeprune import cli, history
from edgeprune.errors import ConfigError
from edgeprune.history import postgres as postgres_module
from edgeprune.history.place import PostgresDatabase, SqliteFile, place

SECRETS = (postgres_rig.PASSWORD, postgres_rig.QUOTED, "geheim")


def refusal(attempt):
    """The one line that an attempt ends in, with no secret in it, nor in a traceback."""
    with pytest.raises(ConfigError) as caught:
        attempt()
    line = str(caught.value)
    assert "\n" not in line
    shown = line + "".join(traceback.format_exception(caught.value))
    assert not any(secret in shown for secret in SECRETS)
    return line


@pytest.mark.parametrize(
    "url",
    [
        "mysql://root:geheim@host/db", "geheim", "sqlite:///geheim", "postgresql://a:geheim@host",
        "postgresql://a:geheim@host/", "postgresql://a:geheim@host:port/db", "postgresql://[geheim",
        "postgresql:geheim", "host=db password=geheim",
    ],
)  # fmt: skip
def test_what_is_no_url_of_a_database_is_refused_without_being_shown(home, monkeypatch, url):
    monkeypatch.setenv("EDGEPRUNE_HISTORY", url)
    line = refusal(history.runs)
    assert line.startswith("EDGEPRUNE_HISTORY: expected a URL such as postgresql://user@host/")
    assert history.trouble() == line


def test_a_place_shows_neither_user_nor_password_nor_options(monkeypatch):
    monkeypatch.setenv(
        "EDGEPRUNE_HISTORY", "postgres://anna:geheim@[::1]:5433/lab?password=geheim&sslmode=require"
    )
    found = place()
    assert isinstance(found, PostgresDatabase)
    assert str(found) == "postgresql://[::1]:5433/lab" and "geheim" not in repr(found)
    monkeypatch.setenv("EDGEPRUNE_HISTORY", "postgresql:///lab?host=/run/postgresql")
    assert str(place()) == "postgresql:///run/postgresql/lab"
    monkeypatch.setenv("EDGEPRUNE_HISTORY", " ")
    assert isinstance(place(), SqliteFile)


def test_a_server_that_is_not_there_is_one_line(home, monkeypatch):
    port = postgres_rig._free_port()
    monkeypatch.setenv("EDGEPRUNE_HISTORY", f"postgresql://a:geheim@127.0.0.1:{port}/lab")
    for attempt in (history.runs, lambda: history.record(result())):
        line = refusal(attempt)
        assert line.startswith(f"postgresql://127.0.0.1:{port}/lab: the history cannot be used: ")
        assert "refused" in line and line.endswith("check the server and EDGEPRUNE_HISTORY")
    assert history.trouble() == line


def test_a_missing_driver_is_one_line_with_the_command(home, monkeypatch):
    def without(*_, **__):
        raise ModuleNotFoundError("No module named 'psycopg'")

    monkeypatch.setattr(postgres_module, "create_engine", without)
    monkeypatch.setenv("EDGEPRUNE_HISTORY", "postgresql://a:geheim@127.0.0.1/lab")
    assert refusal(history.runs).endswith("pip install 'edgeprune[postgres]'")


@pytest.mark.device
def test_a_wrong_password_and_a_missing_database_are_one_line(home, postgres_server, monkeypatch):
    for url, said in (
        (postgres_server.url("postgres", password="geheim"), "password authentication failed"),
        (postgres_server.url("geheim-not"), "does not exist"),
    ):
        monkeypatch.setenv("EDGEPRUNE_HISTORY", url)
        with pytest.raises(ConfigError, match=said):
            history.runs()
    monkeypatch.setenv("EDGEPRUNE_HISTORY", postgres_server.url("postgres", password="geheim"))
    assert "password authentication failed" in refusal(history.runs)


@pytest.mark.device
def test_a_user_who_may_only_read_reads_and_is_told_that_no_run_can_be_added(
    home, postgres, postgres_server, monkeypatch
):
    history.record(result())
    database = postgres.rpartition("/")[2]
    with postgres_server.connected(database) as connection:
        connection.execute("DROP ROLE IF EXISTS reader")
        connection.execute("CREATE ROLE reader LOGIN PASSWORD 'geheim'")
        connection.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader")
    url = postgres.replace(f"postgres:{postgres_rig.QUOTED}", "reader:geheim")
    monkeypatch.setenv("EDGEPRUNE_HISTORY", url)
    assert len(history.runs()) == 1
    assert "permission denied for table runs" in refusal(lambda: history.record(result()))
    assert "permission denied for table runs" in history.trouble()
    with postgres_server.connected(database) as connection:
        connection.execute("DROP OWNED BY reader")
        connection.execute("DROP ROLE reader")


@pytest.mark.device
def test_a_database_with_a_table_of_that_name_is_left_alone(home, postgres, postgres_server):
    with postgres_server.connected(postgres.rpartition("/")[2]) as connection:
        connection.execute("CREATE TABLE runs (id integer)")
        for attempt in (history.runs, lambda: history.record(result())):
            assert "no history of edgeprune" in refusal(attempt)
        tables = connection.execute(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
        ).fetchall()
    assert tables == [("runs",)]


@pytest.mark.device
def test_a_history_may_share_its_database_with_other_programs(home, postgres, postgres_server):
    with postgres_server.connected(postgres.rpartition("/")[2]) as connection:
        connection.execute("CREATE TABLE alembic_version (version_num text)")
        connection.execute("INSERT INTO alembic_version VALUES ('theirs')")
        history.record(result())
        rows = connection.execute("SELECT version_num FROM alembic_version").fetchall()
    assert len(history.runs()) == 1 and rows == [("theirs",)]


@pytest.mark.device
def test_a_commands_output_holds_no_secret(home, postgres, monkeypatch, capsys):
    monkeypatch.chdir(home.parents[1])
    history.record(result())
    for options in (["--history"], ["--history", "--json"], ["7"], ["1", "--html", "page.html"]):
        with pytest.raises(SystemExit):
            cli.main(["report", *options])
    monkeypatch.setenv("EDGEPRUNE_HISTORY", postgres.replace(postgres_rig.QUOTED, "geheim"))
    with pytest.raises(SystemExit):
        cli.main(["report", "--history"])
    found = capsys.readouterr()
    assert "net.h5" in found.out and "authentication failed" in found.err
    assert not any(secret in found.out + found.err for secret in SECRETS)
