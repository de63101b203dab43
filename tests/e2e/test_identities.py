"""Users, API keys, contexts and the built-in rule through a real server and CLI."""

from __future__ import annotations

import json

import pytest

from support.server import installation

SECRET = "name: tok\nversion: v1\ntype: secret\nsecret: {type: key-value, acl: r, data: {a: b}}\n"


@pytest.mark.acceptance("ch01-AS17")
@pytest.mark.acceptance("ch01-AS11")
def test_an_applications_key_is_enough_and_reaches_what_is_its_own(tmp_path):
    with installation(tmp_path) as here:
        here.up()
        here.ok("user", "create", "-t", "application", "-u", "store-bot", "-n", "store bot")
        done = here.ok("user", "tag", "add", "-i", "store-bot", "-t", "roles:id:data-dev")
        assert "User tag added successfully." in done.err
        key = json.loads(here.ok("user", "apikey", "create", "-i", "store-bot", "-d", "72h", "-O", "json").out)
        assert key["name"].startswith("token_")
        bot = {"USER_ID": "store-bot", "APIKEY": key["token"], "DATAOS_FQDN": here.url}
        here.write("admins.yaml", SECRET)
        here.write("bots.yaml", SECRET.replace("name: tok", "name: bots"))
        here.ok("apply", "-f", "admins.yaml")
        assert here.ok("get", "-t", "workflow", "-w", "public", env=bot).code == 0
        here.ok("apply", "-f", "bots.yaml", env=bot)
        names = lambda *flags: [r["name"] for r in json.loads(here.ok("get", "-O", "json", *flags, env=bot).out)]  # noqa: E731
        assert names() == ["bots"]
        assert {"bots", "tok"} <= set(names("-a"))
        assert here.cli("get", "-i", "tok:v1:secret", "-d", "--unSanitize", env=bot).code == 4
        assert here.cli("apply", "-f", "admins.yaml", env=bot).code == 4
        assert "`un-sanitize-resource`" in here.cli("get", "-i", "tok:v1:secret", "-d", "--unSanitize", env=bot).err
        shown = here.ok("get", "-i", "tok:v1:secret", "-d").out
        assert "****" in shown
        assert "a: b\n" in here.ok("get", "-i", "tok:v1:secret", "-d", "--unSanitize").out
        assert "revealed" in here.ok("events", "-t", "secret", "-n", "tok").out

        here.ok("user", "apikey", "delete", "-n", key["name"])
        ended = here.cli("get", env=bot)
        assert ended.code == 3
        assert "revoked" in ended.err
        brief = json.loads(here.ok("user", "apikey", "create", "-i", "store-bot", "-d", "1ms", "-O", "json").out)
        late = here.cli("get", env={**bot, "APIKEY": brief["token"]})
        assert late.code == 3
        assert "expired" in late.err


@pytest.mark.acceptance("ch01-AS01")
def test_login_keeps_a_context_and_a_pasted_address_will_do(tmp_path):
    with installation(tmp_path) as here:
        here.up()
        token = (here.home / "keys" / "admin.token").read_text()
        bad = here.cli("login", "--url", here.url, "-n", "work", "--token-stdin", input="nonsense\n")
        assert bad.code == 3
        here.ok("login", "--url", here.url + "/some/page", "-n", "work", "--token-stdin", input=token + "\n")
        listed = json.loads(here.ok("context", "list", "-O", "json").out)
        assert [(c["name"], c["active"], c["url"]) for c in listed] == [
            ("local", False, here.url),
            ("work", True, here.url),
        ]
        here.ok("get", "--context", "work")
        here.ok("context", "select", "-n", "local")
        here.ok("context", "delete", "-n", "work")
        assert here.cli("context", "select", "-n", "work").code == 3


def test_an_atomic_apply_of_a_folder_stores_all_or_nothing(tmp_path):
    with installation(tmp_path) as here:
        here.up()
        here.write("f/a.yaml", SECRET)
        here.write("f/b.yaml", SECRET.replace("name: tok", "name: Bad_Name"))
        failed = here.cli("apply", "--atomic", "-R", "-f", "f")
        assert failed.code == 1
        assert "b.yaml:1" in failed.err
        assert here.cli("get", "-i", "tok:v1:secret").code == 1
        here.write("f/b.yaml", SECRET.replace("name: tok", "name: two"))
        assert here.ok("apply", "--atomic", "-R", "-f", "f").err.count("...created") == 2
