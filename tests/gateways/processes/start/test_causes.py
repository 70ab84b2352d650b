"""Everything that an operator can cause at a start, as a table: the command line, its one sentence, its exit code."""

from datetime import timedelta

import pytest

from gateways.postgres.roles import READER
from gateways.processes.registry import PROCESSES
from tests.gateways.processes.start.arranged import (
    CANNOT,
    NOBODY,
    NOT_READY,
    UNREACHED,
    WRONG,
    Arrange,
    Patch,
    arguments,
    as_role,
    by,
    chmod,
    clock,
    cluster_of,
    damaged,
    full_disk,
    lets_nobody_in,
    mainnet,
    newer_schema,
    no_node,
    no_own_chain,
    node,
    other_database,
    other_keys,
    private,
    row,
    runs_already,
    settings,
    slow_to_disk,
    taken,
    told,
    too_new_a_server,
    without_rights,
)
from tests.gateways.processes.start.world import PASSPHRASE, Start

UP = [
    # Arguments
    row(arguments("--block-ms", 0), WRONG, "Must be >= 1", id="no time between blocks"),
    row(arguments("--block-ms", "soon"), WRONG, "--block-ms", id="a time that is none"),
    row(arguments("--network", "moon"), WRONG, "--network", id="a network that is none"),
    row(arguments("--http-port", 70_000), WRONG, "Must be <= 65535", id="a port that is none"),
    row(arguments("--devnet-port", -1), WRONG, "Must be >= 0", id="a port below none"),
    row(arguments("--frobnicate"), WRONG, "--frobnicate", id="an option that is none"),
    row(arguments("now"), WRONG, "there is no place for now", id="a word too many"),
    # Settings
    row(settings(http_prot="8080"), WRONG, "unknown setting COUNTERFOIL_HTTP_PROT", id="a setting that is none"),
    row(settings(http_port="eighty"), WRONG, "COUNTERFOIL_HTTP_PORT", id="a number that is none"),
    row(settings(tron_node_url="ftp://node"), WRONG, "COUNTERFOIL_TRON_NODE_URL", id="a node's URL that is none"),
    row(settings(operator_api_key="short"), WRONG, "at least 32 characters", id="a key that anybody guesses"),
    row(settings(hot_floor="9", hot_ceiling="8"), WRONG, "above HOT_FLOOR", id="a ceiling under the floor"),
    row(
        settings(keystore_passphrase_file="/nowhere/at/all"),
        WRONG,
        "COUNTERFOIL_KEYSTORE_PASSPHRASE_FILE cannot be read",
        id="no file with the passphrase",
    ),
    row(settings(checkpoint_origin="my log"), WRONG, "COUNTERFOIL_CHECKPOINT_ORIGIN", id="a log's name with a space"),
    row(lambda start, _: mainnet(start, tron_node_url="http://a"), WRONG, "one node is not enough", id="one node"),
    row(lambda start, _: mainnet(start, checkpoint_archive="/nowhere"), WRONG, "SIGNER_PAYOUT_MAX", id="no limits"),
    row(lambda start, _: mainnet(start), WRONG, "COUNTERFOIL_CHECKPOINT_ARCHIVE", id="the archive among the data"),
    row(settings(network="nile"), WRONG, "needs a passphrase of yours", id="no passphrase"),
    row(settings(mode="aws"), WRONG, "set COUNTERFOIL_AWS_REGION", id="no region on AWS"),
    # Folder, disk, owner, mode
    row(lambda start, _: start.data.write_text("a file"), CANNOT, "File exists", id="the folder is a file"),
    row(arguments("--data", "/dev/null/data"), CANNOT, "/dev/null/data cannot be used", id="a folder in no folder"),
    row(runs_already, CANNOT, "another `counterfoil up` runs in", id="another runs there"),
    row(lambda start, _: chmod(start, "secrets.json"), CANNOT, "run `chmod 600", id="others read the secrets"),
    row(lambda start, _: damaged(start, "secrets.json"), CANNOT, "restore it from a backup", id="damaged secrets"),
    row(lambda start, _: damaged(start, "checkpoints.key"), CANNOT, "does not hold a signing key", id="a damaged key"),
    row(
        lambda start, _: no_own_chain(start, checkpoint_archive="/dev/null/x"),
        CANNOT,
        "Not a directory",
        id="no archive",
    ),
    row(full_disk, CANNOT, "No space left on device", id="a full disk"),
    row(
        lambda start, _: no_own_chain(start, pulse="/dev/null/x"),
        CANNOT,
        "/dev/null/x",
        id="no place for signs of life",
    ),
    row(cluster_of("17"), CANNOT, "was made by Postgres 17", id="a cluster of another version"),
    row(
        lambda start, _: private(start.data / "postgres" / "x", ""),
        CANNOT,
        "is no database",
        id="a folder of another use",
    ),
    # Keystore
    row(
        lambda start, _: no_own_chain(start, keystore_passphrase="x"),
        CANNOT,
        "does not open the keystore",
        id="passphrase",
    ),
    row(lambda start, _: chmod(start, "keystore.json"), CANNOT, "keystore", id="others read the keystore"),
    row(lambda start, _: damaged(start, "keystore.json"), CANNOT, "keystore.json is", id="a damaged keystore"),
    row(other_keys, CANNOT, "has no gas and no deposit_seed", id="another machine's keystore"),
    # Ports
    row(taken("--http-port"), CANNOT, "choose another COUNTERFOIL_HTTP_PORT", id="the API's port is taken"),
    row(
        lambda start, _: start.add("--devnet-port", start.taken()),
        CANNOT,
        "choose another --devnet-port",
        id="devnet's",
    ),
    row(lambda start, _: start.add("--devnet-grpc-port", start.taken()), CANNOT, "--devnet-grpc-port", id="gRPC's"),
    row(
        lambda start, _: no_own_chain(start, metrics_port=start.taken() - len(PROCESSES) + 1),
        CANNOT,
        "choose another COUNTERFOIL_METRICS_PORT (",
        id="the last metrics' port is taken",
    ),
    row(
        settings(http_host="203.0.113.1"), CANNOT, "Cannot assign requested address", id="an address of another machine"
    ),
    row(
        settings(http_host="nowhere.invalid"), CANNOT, "nothing can listen on nowhere.invalid", id="a host that is none"
    ),
    # Database
    row(
        settings(database_url="mine"),
        WRONG,
        "COUNTERFOIL_DATABASE_URL is no address",
        id="a database's URL that is none",
    ),
    row(
        settings(database_url_api="mine"),
        WRONG,
        "COUNTERFOIL_DATABASE_URL_API is no address",
        id="a role's that is none",
    ),
    row(lambda start, _: no_own_chain(start, database_url=NOBODY), UNREACHED, "Connection refused", id="no server"),
    row(
        lambda start, _: by(start, host="nowhere.invalid"), UNREACHED, "nowhere.invalid", id="a server that is nowhere"
    ),
    row(lambda start, _: by(start, password="x"), CANNOT, "password authentication failed", id="a wrong password"),
    row(lambda start, _: by(start, dbname="none"), CANNOT, 'database "none" does not exist', id="no such database"),
    row(lambda start, _: by(start, user="none"), CANNOT, "password authentication failed", id="no such login"),
    row(without_rights, CANNOT, "lacks a right: permission denied", id="a login without rights"),
    row(lets_nobody_in, UNREACHED, "too many connections", id="a full server"),
    row(too_new_a_server, NOT_READY, "need 99 or newer", id="a server that is too old"),
    row(newer_schema, NOT_READY, "install the newer Counterfoil", id="a newer version's database"),
    row(slow_to_disk, NOT_READY, "synchronous_commit is off", id="a setting that loses what was confirmed"),
    row(
        other_database("ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0"),
        NOT_READY,
        "keeps text as SQL_ASCII",
        id="an encoding that holds no text",
    ),
    row(
        other_database("", "CREATE TABLE schema_migrations (version varchar)"),
        NOT_READY,
        "another program's",
        id="another program's database",
    ),
    row(
        other_database("", "CREATE TABLE accounts (id int)"),
        NOT_READY,
        "another program's",
        id="another program's tables",
    ),
    row(
        lambda start, _: by(start).set(database_url_api=as_role(start, READER)),
        CANNOT,
        'permission denied to set role "counterfoil_api"',
        id="another process' login",
    ),
    row(clock(timedelta(minutes=9)), CANNOT, "9 minutes ahead of the database's", id="a clock that is fast"),
    row(clock(timedelta(hours=-7)), CANNOT, "7 hours behind the database's", id="a clock that is slow"),
    # Node, network
    row(no_node, UNREACHED, "does not answer", id="no node"),
    row(node(answer=(200, b"<html>welcome</html>")), UNREACHED, "does not answer", id="a node that is a web page"),
    row(node(answer=(401, b"no")), UNREACHED, "401", id="a node that wants a key"),
    row(node(genesis="00" * 32), CANNOT, "belongs to the network with", id="a node of another network"),
    row(node(age_s=7_300), NOT_READY, "its newest block is 2 hours old", id="a node that is behind"),
    row(node(age_s=-900), CANNOT, "15 minutes behind the newest block", id="a clock behind the chain"),
]


@pytest.mark.parametrize(("arrange", "code", "sentence"), UP)
def test_what_cannot_be_is_one_sentence_and_its_exit_code(
    arrange: Arrange, code: int, sentence: str, start: Start, patch: Patch, capfd: pytest.CaptureFixture[str]
) -> None:
    """`up` says nothing of an API that is not there, and no secret; what is taken is let go."""
    arrange(start, patch)
    ports = () if {"--http-port", "--frobnicate"} & set(start.arguments) else ("--http-port", "0")
    start.arguments += [] if "COUNTERFOIL_HTTP_PORT" in start.environment else ports
    if "--devnet-port" not in start.arguments:
        start.add("--devnet-port", 0)
    found, said = told(start, patch, capfd, "up")
    assert sentence in said
    assert found == code, said
    assert PASSPHRASE not in said
    assert "secret-of-a-test" not in said


def test_the_table_is_long() -> None:
    """At least forty causes, no two alike."""
    ids = [each.id for each in UP]
    assert len(set(ids)) == len(ids) >= 40
