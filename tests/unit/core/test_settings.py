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
    for area in settings.Settings.model_fields.values():
        if not isinstance(area.default, BaseModel):
            assert area.description
            continue
        for name, info in type(area.default).model_fields.items():
            assert info.description, name


def test_an_unknown_area_in_the_environment_fails_too(tmp_path):
    with pytest.raises(DataOSError) as caught:
        settings.load(tmp_path, {"DATAOS_LISTN__PORT": "1"}, {})
    assert "listn" in str(caught.value)
