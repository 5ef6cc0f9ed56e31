"""Messages that are sent again, and messages to try with."""

import json

SCHEME = "enterprise"


def ids(messages):
    return [message["headers"]["webhook-id"] for message in messages]


def test_one_message_is_sent_again_under_its_id(keyway, hook):
    account = keyway.account()
    to = hook()
    endpoint = account.endpoint(to.url)
    to.set(secrets={"own": endpoint.secret})
    for _ in range(2):
        account.create("key", grant="everything")
    first, second = to.wait(count=2)
    keyway.told()
    delivery = next(d for d in endpoint.deliveries() if d["event"] == ids([first])[0])
    endpoint.replay_one(delivery["id"])
    again = to.wait(count=3)[2]
    assert ids([again]) == ids([first])
    assert again["body"] == first["body"]
    assert again["verified"] == {"own": True}
    keyway.told()
    assert len(endpoint.delivery(delivery["id"])["log"]) == 2
    assert len(account.events("webhook.replayed")) == 1
    assert ids(to.got()).count(ids([second])[0]) == 1


def test_all_of_a_time_are_sent_again_under_their_ids(keyway, clock, node_hook):
    account = keyway.account()
    to = node_hook()
    endpoint = account.endpoint(to.url)
    to.set(secrets={"own": endpoint.secret})
    bounds = []
    for _ in range(3):
        bounds.append(f"{clock.now():%Y-%m-%dT%H:%M:%SZ}")
        account.create("key", grant="everything")
        account.create("key", grant="everything")
        keyway.told()
        clock.forward(minutes=10)
    to.wait(count=6)
    before = ids(to.got())
    assert len(set(before)) == 6
    assert endpoint.replay(since=bounds[1], until=bounds[2]) == 2
    again = to.wait(count=8)[6:]
    keyway.told()
    wanted = {e["id"] for e in account.events("api_key.created")[2:4]}
    assert set(ids(again)) == wanted
    assert all(message["verified"] == {"own": True} for message in to.got())
    assert len(to.got()) == 8


def test_what_was_given_up_is_sent_again(keyway, clock, hook):
    account = keyway.account()
    to = hook()
    to.set(answers=[{"status": 410}])
    endpoint = account.endpoint(to.url)
    account.create("key", grant="everything")
    endpoint.wait("api_key.created", "failed")
    to.set(answers=[{"status": 200}])
    keyway.ask("PATCH", endpoint.path, {"enabled": True}).raise_for_status()
    assert endpoint.replay(since="2020-01-01T00:00:00Z", state="failed") == 1
    endpoint.wait("api_key.created", "delivered")
    assert len(set(ids(to.got()))) == 1


def test_a_test_message_goes_to_its_endpoint_only(keyway, hook, node_hook):
    account = keyway.account()
    hooks = [hook(), node_hook()]
    endpoints = [account.endpoint(to.url, "api_key.revoked") for to in hooks]
    for to, endpoint in zip(hooks, endpoints):
        to.set(secrets={"own": endpoint.secret})
        endpoint.test()
    for to, endpoint in zip(hooks, endpoints):
        message = to.wait("webhook.test")[0]
        assert message["verified"] == {"own": True}
        assert message["message"]["data"]["subject"] == endpoint.id
    keyway.told()
    assert [len(to.got()) for to in hooks] == [1, 1]


def test_an_endpoint_hears_its_environment_and_its_choice(keyway, hook):
    account = keyway.account()
    test, live, all_ = hook(), hook(), hook()
    account.endpoint(test.url, environment="test")
    account.endpoint(live.url, "api_key.revoked")
    account.endpoint(all_.url, "api_key.*")
    for environment in ("test", "live"):
        key = account.create("key", environment, grant="everything")
        account.edit(key, name="Renamed")
        account.act(key, "revoke")
    all_.wait(count=3)
    keyway.told()
    kinds = [[m["message"]["type"] for m in to.got()] for to in (test, live, all_)]
    assert sorted(kinds[0]) == ["api_key.created", "api_key.revoked"]
    assert kinds[1] == ["api_key.revoked"]
    assert sorted(kinds[2]) == ["api_key.created", "api_key.revoked", "api_key.updated"]
    assert {m["message"]["environment"] for m in test.got()} == {"test"}
    assert {m["message"]["environment"] for m in all_.got()} == {"live"}


def test_the_command_line_does_all_of_it(keyway, hook):
    account = keyway.account()
    to = hook()

    def run(*arguments):
        done = keyway.run("webhooks", *arguments, "--account", account.id, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    made = run("create", "--environment", "live", "--url", to.url, "--event", "api_key.*")
    to.set(secrets={"own": made["secret"]["signing_secret"]})
    account.create("key", grant="everything")
    run("test", made["id"])
    to.wait("webhook.test")
    to.wait("api_key.created")
    keyway.told()
    listed = run("deliveries", made["id"])["data"]
    assert sorted(d["type"] for d in listed) == ["api_key.created", "webhook.test"]
    log = run("delivery", made["id"], listed[0]["id"])["log"]
    assert [attempt["status"] for attempt in log] == [200]
    run("replay", made["id"], "--delivery", listed[0]["id"])
    run("replay", made["id"], "--since", listed[1]["created_at"], "--state", "delivered")
    to.wait(count=4)
    rotated = run("rotate", made["id"], "--overlap", "0s")
    to.set(secrets={"own": made["secret"]["signing_secret"],
                    "new": rotated["secret"]["signing_secret"]})
    keyway.told()
    before = len(to.got())
    run("test", made["id"])
    assert to.wait(count=before + 1)[-1]["verified"] == {"own": False, "new": True}
    run("update", made["id"], "--enabled", "false")
    assert [e["state"] for e in run("list")["data"]] == ["off"]
    run("delete", made["id"])
    assert run("list")["data"] == []
