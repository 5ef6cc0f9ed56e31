"""`keyway credentials … --to`: into a real OpenBao, into moto's Secrets Manager, and into a file.

What goes wrong is made to by a proxy between the command line and the real server.
"""

import json
import signal
import stat
import threading

import pytest
from botocore.exceptions import ClientError

from managers import ACCESS, REGION, Proxy, client_of, keyway, openbao, secrets_manager

WAIT_SECONDS = 60


@pytest.fixture(scope="module")
def bao(tmp_path_factory):
    with openbao(tmp_path_factory.mktemp("bao")) as bao:
        yield bao


@pytest.fixture(scope="module")
def aws():
    with secrets_manager() as url:
        yield url


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """Pairs that are rotated with a fixed overlap and can't be rolled back."""
    with keyway("xtopay", tmp_path_factory.mktemp("pairs")) as deployment:
        yield deployment


@pytest.fixture(scope="module")
def signing(tmp_path_factory):
    """Pairs that are rotated with any overlap or none, and can be rolled back."""
    with keyway("rapyd", tmp_path_factory.mktemp("signing")) as deployment:
        yield deployment


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    """Keys that are only regenerated."""
    with keyway("airwallex", tmp_path_factory.mktemp("keys")) as deployment:
        yield deployment


def vault(url: str, token: str = "root-of-this-test") -> dict:
    return {"VAULT_ADDR": url, "VAULT_TOKEN": token}


def aws_environment(url: str) -> dict:
    return {
        "AWS_ENDPOINT_URL_SECRETS_MANAGER": url,
        "AWS_REGION": REGION,
        "AWS_ACCESS_KEY_ID": ACCESS.access_key,
        "AWS_SECRET_ACCESS_KEY": ACCESS.secret_key,
        "AWS_SESSION_TOKEN": ACCESS.token,
    }


def create(deployment, kind: str, name: str, to: str) -> list[str]:
    what = ["credentials", "create", "--account", deployment.account, "--kind", kind]
    return [*what, "--environment", "test", "--name", name, "--grant", "everything", "--to", to]


def rotate(deployment, made: dict, to: str, *more: str) -> list[str]:
    what = ["credentials", "rotate", made["id"], "--account", deployment.account]
    return [*what, "--to", to, *more]


def states(deployment, made: dict) -> list[tuple[int, str]]:
    return [(one["number"], one["state"]) for one in deployment.show(made["id"])["secrets"]]


def named(deployment, name: str) -> list[dict]:
    return [one for one in deployment.all() if one["name"] == name]


def current(theirs, name: str) -> dict:
    """The version under AWSCURRENT: without a label, moto gives the one that was put last under it."""
    return theirs.get_secret_value(SecretId=name, VersionStage="AWSCURRENT")


def is_write(seen) -> bool:
    return seen.method == "POST" and "/data/" in seen.path


class Held:
    """Holds a request until it is let go; says when it has come."""

    def __init__(self) -> None:
        self.came, self.go = threading.Event(), threading.Event()

    def __call__(self, _: object) -> None:
        self.came.set()
        assert self.go.wait(WAIT_SECONDS)

    def kill(self, child) -> None:
        """Kills a command while its request is held."""
        assert self.came.wait(WAIT_SECONDS)
        child.send_signal(signal.SIGKILL)
        child.wait(timeout=WAIT_SECONDS)
        self.go.set()


# Vault


def test_a_new_pair_is_in_vault_and_was_never_shown(pairs, bao):
    bao.put("secret/shop/app", {"database": "kept", "client_id": "older"})
    ran = pairs.run(*create(pairs, "client", "A", "vault:secret/shop/app"), environment=vault(bao.url))
    assert ran.returncode == 0, ran.stderr
    entry = bao.entry("shop/app")
    assert entry["database"] == "kept"
    assert entry["client_secret"] not in ran.stdout + ran.stderr
    said = json.loads(ran.stdout)
    assert (said["secret"], said["written_to"]) == (None, "vault:secret/shop/app")
    assert pairs.allows(entry["client_id"], entry["client_secret"])


def test_fields_have_the_names_that_were_asked_for(pairs, bao):
    to = "vault:secret/shop/fields#PAY_ID,PAY_SECRET"
    pairs.json(*create(pairs, "client", "B", to), environment=vault(bao.url))
    assert sorted(bao.entry("shop/fields")) == ["PAY_ID", "PAY_SECRET"]
    one = pairs.run(*create(pairs, "client", "B1", "vault:secret/x/y#ONE"), environment=vault(bao.url))
    assert one.returncode == 1 and "two fields" in one.stderr, one.stderr
    assert named(pairs, "B1") == []


def test_with_print_the_strings_are_shown_too(pairs, bao):
    arguments = [*create(pairs, "client", "C", "vault:secret/shop/print"), "--print"]
    made = pairs.json(*arguments, environment=vault(bao.url))
    assert made["secret"]["client_secret"] == bao.entry("shop/print")["client_secret"]


def test_a_store_may_have_a_name_with_slashes_and_a_namespace(pairs, bao):
    assert bao.call("POST", "sys/namespaces/team1")[0] in (200, 204)
    inside = {"X_Vault_Namespace": "team1"}
    mount = {"type": "kv", "options": {"version": "2"}}
    assert bao.call("POST", "sys/mounts/pay/kv", mount, **inside)[0] in (200, 204)
    environment = {**vault(bao.url), "VAULT_NAMESPACE": "team1"}
    pairs.json(*create(pairs, "client", "D", "vault:pay/kv/live/app"), environment=environment)
    assert "client_secret" in bao.entry("live/app", mount="pay/kv", **inside)


def test_an_entry_that_was_deleted_is_written_again(pairs, bao):
    bao.put("secret/shop/gone", {"old": "1"})
    assert bao.call("DELETE", "secret/data/shop/gone")[0] == 204
    pairs.json(*create(pairs, "client", "E", "vault:secret/shop/gone"), environment=vault(bao.url))
    assert sorted(bao.entry("shop/gone")) == ["client_id", "client_secret"]


def test_tls_is_verified_against_the_file_of_authorities(pairs, tmp_path):
    with openbao(tmp_path, tls=True) as bao:
        environment = vault(bao.url)
        arguments = create(pairs, "client", "F", "vault:secret/shop/tls")
        stranger = pairs.run(*arguments, environment=environment)
        assert stranger.returncode == 1 and "certificate" in stranger.stderr, stranger.stderr
        assert named(pairs, "F") == []
        pairs.json(*arguments, environment={**environment, "VAULT_CACERT": bao.ca})
        assert "client_secret" in bao.entry("shop/tls")


def test_what_cannot_be_written_is_refused_before_anything_is_made(pairs, bao):
    assert bao.call("POST", "sys/mounts/old", {"type": "kv"})[0] in (200, 204)
    reader = bao.policy_token('path "secret/data/*" { capabilities = ["read"] }')
    wrong = [
        ("vault:old/app", vault(bao.url), "version 2"),
        ("vault:secret/shop/new", vault(bao.url, reader), "may not create"),
        ("vault:secret/shop/new", vault(bao.url, "nonsense"), "can't be read"),
        ("vault:secret/shop/new", {"VAULT_ADDR": bao.url}, "VAULT_TOKEN"),
        ("vault:secret/shop/new", vault("http://127.0.0.1:9"), "127.0.0.1:9"),
        ("vault:secret/shop/new", vault("http://vault.example:8200"), "use https"),
    ]
    for to, environment, why in wrong:
        ran = pairs.run(*create(pairs, "client", "G", to), environment=environment)
        assert ran.returncode == 1 and why in ran.stderr, ran.stderr
    assert named(pairs, "G") == []


def test_what_somebody_else_writes_in_between_is_kept(pairs, bao):
    bao.put("secret/shop/race", {"one": "1"})
    raced = []

    def race(seen):
        if is_write(seen) and not raced:
            raced.append(seen)
            bao.put("secret/shop/race", {"one": "1", "two": "2"})

    with Proxy(bao.url) as proxy:
        proxy.rule = race
        pairs.json(*create(pairs, "client", "H", "vault:secret/shop/race"), environment=vault(proxy.url))
        assert len([seen for seen in proxy.seen if is_write(seen)]) == 2
    entry = bao.entry("shop/race")
    assert (entry["one"], entry["two"]) == ("1", "2")
    assert pairs.allows(entry["client_id"], entry["client_secret"])


def test_a_server_that_fails_for_a_moment_is_asked_again(pairs, bao):
    failed = []

    def fail(seen):
        if is_write(seen) and not failed:
            failed.append(seen)
            return 503, '{"errors":["Vault is sealed"]}'
        return None

    with Proxy(bao.url) as proxy:
        proxy.rule = fail
        pairs.json(*create(pairs, "client", "I", "vault:secret/shop/moment"), environment=vault(proxy.url))
    assert "client_secret" in bao.entry("shop/moment")


def refuse_writes(seen):
    return (403, '{"errors":["permission denied"]}') if is_write(seen) else None


def test_a_credential_that_could_not_be_written_is_ended_again(pairs, bao):
    with Proxy(bao.url) as proxy:
        proxy.rule = refuse_writes
        arguments = create(pairs, "client", "J", "vault:secret/shop/refused")
        ran = pairs.run(*arguments, environment=vault(proxy.url))
    assert ran.returncode == 1 and "ended again" in ran.stderr, ran.stderr
    assert [one["status"] for one in named(pairs, "J")] == ["revoked"]


def test_a_create_that_was_killed_is_settled_by_the_next_run(pairs, bao):
    arguments = create(pairs, "client", "K", "vault:secret/shop/killed")
    held = Held()
    with Proxy(bao.url) as proxy:
        proxy.rule = lambda seen: (held(seen), (500, "{}"))[1] if is_write(seen) else None
        held.kill(pairs.start(*arguments, environment=vault(proxy.url)))
    assert [one["status"] for one in named(pairs, "K")] == ["active"]
    made = pairs.json(*arguments, environment=vault(bao.url))
    assert sorted(one["status"] for one in named(pairs, "K")) == ["active", "revoked"]
    entry = bao.entry("shop/killed")
    assert entry["client_id"] == made["client_id"]
    assert pairs.allows(entry["client_id"], entry["client_secret"])
    # Nothing is left to settle: the same words make another one, as they always did.
    again = pairs.json(*arguments, environment=vault(bao.url))
    assert again["id"] != made["id"]


def test_a_create_that_was_killed_after_it_wrote_is_not_made_twice(pairs, bao):
    arguments = create(pairs, "client", "L", "vault:secret/shop/written")
    held = Held()
    with Proxy(bao.url) as proxy:
        proxy.after = lambda seen: held(seen) if is_write(seen) else None
        held.kill(pairs.start(*arguments, environment=vault(proxy.url)))
    entry = bao.entry("shop/written")
    again = pairs.json(*arguments, environment=vault(bao.url))
    assert again["client_id"] == entry["client_id"]
    assert [one["status"] for one in named(pairs, "L")] == ["active"]


def test_both_secrets_are_accepted_while_the_new_one_is_written(pairs, bao):
    to = "vault:secret/shop/rotated"
    made = pairs.json(*create(pairs, "client", "M", to), environment=vault(bao.url))
    before = bao.entry("shop/rotated")
    during = []

    def look(seen):
        if is_write(seen):
            new = json.loads(seen.body)["data"]
            during.append([pairs.allows(one["client_id"], one["client_secret"]) for one in (before, new)])

    with Proxy(bao.url) as proxy:
        proxy.rule = look
        pairs.json(*rotate(pairs, made, to), environment=vault(proxy.url))
    assert during == [[True, True]]
    assert bao.entry("shop/rotated")["client_secret"] != before["client_secret"]
    assert states(pairs, made) == [(2, "current"), (1, "retiring")]


def test_without_an_overlap_the_previous_secret_ends_only_when_the_new_one_is_written(signing, bao):
    to = "vault:secret/sign/now"
    made = signing.json(*create(signing, "signing", "A", to), environment=vault(bao.url))
    during = []
    with Proxy(bao.url) as proxy:
        proxy.rule = lambda seen: during.append(states(signing, made)) if is_write(seen) else None
        arguments = rotate(signing, made, to, "--overlap", "0s")
        said = signing.json(*arguments, environment=vault(proxy.url))
    assert during == [[(2, "current"), (1, "retiring")]]
    assert [(one["number"], one["state"]) for one in said["secrets"]] == [(2, "current"), (1, "ended")]
    assert states(signing, made) == [(2, "current"), (1, "ended")]
    entry = bao.entry("sign/now")
    current = signing.show(made["id"])["secrets"][0]
    assert entry["access_key"] == current["public_id"]
    assert entry["secret_key"].endswith(current["hint"][-4:])


def test_a_rotation_that_could_not_be_written_is_rolled_back(signing, bao):
    to = "vault:secret/sign/back"
    made = signing.json(*create(signing, "signing", "B", to), environment=vault(bao.url))
    before = bao.entry("sign/back")
    with Proxy(bao.url) as proxy:
        proxy.rule = refuse_writes
        ran = signing.run(*rotate(signing, made, to), environment=vault(proxy.url))
    assert ran.returncode == 1 and "rolled back" in ran.stderr, ran.stderr
    assert states(signing, made) == [(2, "ended"), (1, "current")]
    assert bao.entry("sign/back") == before


def test_a_rotation_that_was_killed_is_settled_by_the_next_run(signing, bao):
    to = "vault:secret/sign/killed"
    made = signing.json(*create(signing, "signing", "C", to), environment=vault(bao.url))
    arguments = rotate(signing, made, to, "--overlap", "0s")
    held = Held()
    with Proxy(bao.url) as proxy:
        proxy.rule = lambda seen: (held(seen), (500, "{}"))[1] if is_write(seen) else None
        held.kill(signing.start(*arguments, environment=vault(proxy.url)))
    assert states(signing, made) == [(2, "current"), (1, "retiring")]
    ran = signing.run(*arguments, environment=vault(bao.url))
    assert ran.returncode == 0 and "rolled back" in ran.stderr, ran.stderr
    assert states(signing, made) == [(3, "current"), (2, "ended"), (1, "ended")]
    assert bao.entry("sign/killed")["access_key"] == signing.show(made["id"])["secrets"][0]["public_id"]


def test_a_rotation_that_was_killed_after_it_wrote_is_finished_by_the_next_run(signing, bao):
    to = "vault:secret/sign/written"
    made = signing.json(*create(signing, "signing", "D", to), environment=vault(bao.url))
    arguments = rotate(signing, made, to, "--overlap", "0s")
    held = Held()
    with Proxy(bao.url) as proxy:
        proxy.after = lambda seen: held(seen) if is_write(seen) else None
        held.kill(signing.start(*arguments, environment=vault(proxy.url)))
    written = bao.entry("sign/written")
    assert states(signing, made) == [(2, "current"), (1, "retiring")]
    signing.json(*arguments, environment=vault(bao.url))
    assert states(signing, made) == [(2, "current"), (1, "ended")]
    assert bao.entry("sign/written") == written


def test_where_nothing_rolls_back_a_lost_secret_is_said_plainly_every_time(pairs, bao):
    to = "vault:secret/shop/lost"
    made = pairs.json(*create(pairs, "client", "N", to), environment=vault(bao.url))
    arguments = rotate(pairs, made, to)
    with Proxy(bao.url) as proxy:
        proxy.rule = refuse_writes
        ran = pairs.run(*arguments, environment=vault(proxy.url))
    until = pairs.show(made["id"])["secrets"][1]["accepted_until"]
    again = pairs.run(*arguments, environment=vault(bao.url))
    for said in (ran, again):
        assert said.returncode == 1 and f"accepted until {until}" in said.stderr, said.stderr
        assert "nobody holds the new secret" in said.stderr
    entry = bao.entry("shop/lost")
    assert pairs.allows(entry["client_id"], entry["client_secret"])


def test_what_is_only_regenerated_needs_to_be_told_that_there_is_a_gap(keys, bao):
    to = "vault:secret/keys/gap"
    made = keys.json(*create(keys, "admin", "A", to), environment=vault(bao.url))
    ran = keys.run(*rotate(keys, made, to), environment=vault(bao.url))
    assert ran.returncode == 1 and "--accept-gap" in ran.stderr, ran.stderr
    regenerate = ["credentials", "regenerate", made["id"], "--account", keys.account, "--to", to]
    ran = keys.run(*regenerate, environment=vault(bao.url))
    assert ran.returncode == 1 and "--accept-gap" in ran.stderr, ran.stderr
    assert states(keys, made) == [(1, "current")]
    before = bao.entry("keys/gap")
    regenerate.append("--accept-gap")
    held = Held()
    with Proxy(bao.url) as proxy:
        proxy.rule = lambda seen: (held(seen), (500, "{}"))[1] if is_write(seen) else None
        held.kill(keys.start(*regenerate, environment=vault(proxy.url)))
    assert bao.entry("keys/gap") == before
    keys.json(*regenerate, environment=vault(bao.url))
    after, current = bao.entry("keys/gap"), keys.show(made["id"])["secrets"][0]
    assert current["number"] == 3
    assert list(after.values())[-1].endswith(current["hint"][-4:])


# AWS Secrets Manager


def test_a_new_pair_is_in_secrets_manager_and_its_requests_are_signed_as_awss_own(pairs, aws):
    with Proxy(aws) as proxy:
        ran = pairs.run(*create(pairs, "client", "P", "aws-sm:shop/app"), environment=aws_environment(proxy.url))
        assert ran.returncode == 0, ran.stderr
        assert [seen.action for seen in proxy.seen][-1] == "CreateSecret"
        for seen in proxy.seen:
            assert seen.headers["authorization"].endswith(f"Signature={seen.signature()}")
            assert seen.headers["x-amz-security-token"] == ACCESS.token
    held = json.loads(current(client_of(aws), "shop/app")["SecretString"])
    assert held["client_secret"] not in ran.stdout + ran.stderr
    assert pairs.allows(held["client_id"], held["client_secret"])


def test_the_version_before_stays_the_previous_one_and_other_fields_are_kept(pairs, aws):
    theirs = client_of(aws)
    text = '{"database": "kept", "big": 12345678901234567890123, "key": "older"}'
    first = theirs.create_secret(Name="shop/fields", SecretString=text)
    to = f"aws-sm:{first['ARN']}#id,key"
    made = pairs.json(*create(pairs, "client", "Q", to), environment=aws_environment(aws))
    now = current(theirs, "shop/fields")
    assert '"big":12345678901234567890123' in now["SecretString"]
    held = json.loads(now["SecretString"])
    assert held["database"] == "kept" and held["id"] == made["client_id"]
    previous = theirs.get_secret_value(SecretId="shop/fields", VersionStage="AWSPREVIOUS")
    assert previous["VersionId"] == first["VersionId"]
    pairs.json(*rotate(pairs, made, to), environment=aws_environment(aws))
    rotated = json.loads(current(theirs, "shop/fields")["SecretString"])
    assert rotated["key"] != held["key"] and pairs.allows(rotated["id"], rotated["key"])


@pytest.mark.parametrize("before", ["PutSecretValue", "UpdateSecretVersionStage"])
def test_what_somebody_else_puts_in_between_is_kept_in_secrets_manager_too(pairs, aws, before):
    theirs, name = client_of(aws), f"shop/race-{before}"
    theirs.create_secret(Name=name, SecretString='{"one": "1"}')
    raced = []

    def race(seen):
        if seen.action == before and not raced:
            raced.append(seen)
            theirs.put_secret_value(SecretId=name, SecretString='{"one": "1", "two": "2"}')

    with Proxy(aws) as proxy:
        proxy.rule = race
        arguments = create(pairs, "client", f"R {before}", f"aws-sm:{name}")
        pairs.json(*arguments, environment=aws_environment(proxy.url))
    held = json.loads(current(theirs, name)["SecretString"])
    assert (held["one"], held["two"]) == ("1", "2") and "client_secret" in held


def test_an_answer_that_nobody_heard_makes_no_second_version(pairs, aws):
    theirs = client_of(aws)
    theirs.create_secret(Name="shop/unheard", SecretString="{}")
    unheard = []

    def hang_up(seen):
        if seen.action == "PutSecretValue" and not unheard:
            unheard.append(seen)
            asked = json.loads(seen.body)
            theirs.put_secret_value(**asked)
            return 500, "{}"
        return None

    with Proxy(aws) as proxy:
        proxy.rule = hang_up
        arguments = create(pairs, "client", "S", "aws-sm:shop/unheard")
        pairs.json(*arguments, environment=aws_environment(proxy.url))
    versions = theirs.list_secret_version_ids(SecretId="shop/unheard")["Versions"]
    assert len(versions) == 2
    assert "client_secret" in current(theirs, "shop/unheard")["SecretString"]


def test_what_secrets_manager_cannot_take_is_refused_before_anything_is_made(pairs, aws):
    theirs = client_of(aws)
    theirs.create_secret(Name="shop/plain", SecretString="not an object")
    theirs.create_secret(Name="shop/deleted", SecretString="{}")
    theirs.delete_secret(SecretId="shop/deleted", RecoveryWindowInDays=7)
    arn = f"arn:aws:secretsmanager:{REGION}:123456789012:secret:nobody-AbCdEf"
    environment = aws_environment(aws)
    nobody = {name: environment[name] for name in ("AWS_ENDPOINT_URL_SECRETS_MANAGER", "AWS_REGION")}
    wrong = [
        ("aws-sm:shop/plain", environment, "JSON object"),
        ("aws-sm:shop/deleted", environment, "InvalidRequestException"),
        (f"aws-sm:{arn}", environment, "no such secret"),
        ("aws-sm:shop/new", nobody, "no access key"),
        ("aws-sm:shop/new", {**environment, "AWS_REGION": ""}, "no region"),
    ]
    for to, environment, why in wrong:
        ran = pairs.run(*create(pairs, "client", "T", to), environment=environment)
        assert ran.returncode == 1 and why in ran.stderr, ran.stderr
    assert named(pairs, "T") == []
    with pytest.raises(ClientError):
        theirs.get_secret_value(SecretId="shop/new")


def test_the_access_key_may_be_in_the_files_of_awss_own_tools(pairs, aws, tmp_path):
    credentials, config = tmp_path / "credentials", tmp_path / "config"
    credentials.write_text(
        f"[work]\naws_access_key_id = {ACCESS.access_key}\naws_secret_access_key = {ACCESS.secret_key}\n"
        f"aws_session_token = {ACCESS.token}\n"
    )
    config.write_text(f"[profile work]\nregion = {REGION}\n")
    environment = {
        "AWS_PROFILE": "work",
        "AWS_SHARED_CREDENTIALS_FILE": str(credentials),
        "AWS_CONFIG_FILE": str(config),
    }
    with Proxy(aws) as proxy:
        environment["AWS_ENDPOINT_URL"] = proxy.url
        pairs.json(*create(pairs, "client", "U", "aws-sm:shop/profile"), environment=environment)
        assert all(seen.headers["authorization"].endswith(seen.signature()) for seen in proxy.seen)


# An environment file


def test_a_file_is_replaced_as_a_whole_and_keeps_its_other_lines(pairs, tmp_path):
    file = tmp_path / "app.env"
    file.write_text("# ours\nexport XTOPAY_CLIENT_ID=older\nPORT=8080\n")
    file.chmod(0o600)
    before = file.stat().st_ino
    made = pairs.json(*create(pairs, "client", "V", f"env:{file}"))
    first, second, port, secret = file.read_text().splitlines()
    assert (first, second, port) == ("# ours", f"export XTOPAY_CLIENT_ID={made['client_id']}", "PORT=8080")
    name, value = secret.split("=")
    assert name == "XTOPAY_CLIENT_SECRET" and pairs.allows(made["client_id"], value)
    assert file.stat().st_ino != before and stat.S_IMODE(file.stat().st_mode) == 0o600
    pairs.json(*rotate(pairs, made, f"env:{file}"))
    assert len(file.read_text().splitlines()) == 4 and value not in file.read_text()
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["app.env"]


def test_files_that_are_none_or_that_others_read_are_refused_before_anything_is_made(pairs, tmp_path):
    open_to_all, link, folder = tmp_path / "open", tmp_path / "link", tmp_path / "folder"
    open_to_all.write_text("A=1\n")
    open_to_all.chmod(0o644)
    link.symlink_to(open_to_all)
    folder.mkdir()
    wrong = [
        (open_to_all, "chmod 600"),
        (link, "link"),
        (folder, "not a file"),
        (tmp_path / "nowhere" / "x", "nothing can be written"),
    ]
    for path, why in wrong:
        ran = pairs.run(*create(pairs, "client", "W", f"env:{path}"))
        assert ran.returncode == 1 and why in ran.stderr, ran.stderr
    assert named(pairs, "W") == [] and open_to_all.read_text() == "A=1\n"
