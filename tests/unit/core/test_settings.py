"""Settings: sources, order, unknown keys, defaults as promises."""

import pytest
from pydantic import BaseModel

from dataos.core import settings
from dataos.core.errors import DataOSError


def test_defaults_are_promises():
    tree = settings.Settings()
    assert (tree.listen.host, tree.listen.port) == ("127.0.0.1", 8080)
    assert tree.workloads.sandbox == "auto"
    assert tree.workloads.trust_user_code is False


def test_flags_win_over_environment_over_file(tmp_path):
    (tmp_path / "settings.yaml").write_text("listen: {port: 1}\nquery: {timeout_s: 7}\nlog_level: DEBUG\n")
    tree = settings.load(tmp_path, {"DATAOS_LISTEN__PORT": "2", "DATAOS_QUERY__MAX_ROWS": "5"}, {"listen": {"port": 3}})
    assert (tree.listen.port, tree.query.timeout_s, tree.query.max_rows, tree.log_level) == (3, 7.0, 5, "DEBUG")


def test_unknown_keys_and_wrong_values_fail_all_at_once(tmp_path):
    (tmp_path / "settings.yaml").write_text("listen: {prot: 1}\nworkloads: {cpus: -1}\n")
    with pytest.raises(DataOSError) as caught:
        settings.load(tmp_path, {}, {})
    text = str(caught.value)
    assert "listen.prot" in text
    assert "workloads.cpus" in text


def test_false_and_null_survive_merging(tmp_path):
    (tmp_path / "settings.yaml").write_text("workloads: {trust_user_code: true, cpus: 2}\n")
    tree = settings.load(tmp_path, {}, {"workloads": {"trust_user_code": False, "cpus": None}})
    assert (tree.workloads.trust_user_code, tree.workloads.cpus) == (False, None)


def test_every_setting_says_what_it_is():
    def check(area: type[BaseModel]) -> None:
        for name, info in area.model_fields.items():
            if isinstance(info.default, BaseModel):
                check(type(info.default))
            else:
                assert info.description, name

    check(settings.Settings)


def test_an_area_inside_an_area_is_reached_by_a_variable_too(tmp_path):
    (tmp_path / "settings.yaml").write_text("auth: {oidc: {issuer: 'https://a.example', client_id: one}}\n")
    given = {"DATAOS_AUTH__OIDC__CLIENT_ID": "two", "DATAOS_AUTH__OIDC__SCOPES": "openid, groups"}
    oidc = settings.load(tmp_path, given, {}).auth.oidc
    assert (oidc.issuer, oidc.client_id, oidc.scopes) == ("https://a.example", "two", ("openid", "groups"))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("ISSUER", "http://login.example"),
        ("ISSUER", "login.example"),
        ("ALGORITHMS", "RS256,HS256"),
        ("ALGORITHMS", "none"),
        ("CONNECTOR", "a b"),
        ("CLIENT", "x"),
    ],
)
def test_what_would_make_a_provider_unsafe_is_refused(tmp_path, key, value):
    with pytest.raises(DataOSError) as caught:
        settings.load(tmp_path, {f"DATAOS_AUTH__OIDC__{key}": value}, {})
    assert f"auth.oidc.{key.lower()}" in str(caught.value)


def test_an_unknown_area_in_the_environment_fails_too(tmp_path):
    with pytest.raises(DataOSError) as caught:
        settings.load(tmp_path, {"DATAOS_LISTN__PORT": "1"}, {})
    assert "listn" in str(caught.value)
