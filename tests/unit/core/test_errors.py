"""One error type: wire form, places, status and exit codes."""

from dataos.core.errors import DataOSError, ExitCode, Problem, exit_code, fail, http_status


def test_problem_round_trips_through_its_wire_form():
    problem = Problem("a.b", "text", hint="do", path="x.y", line=3, column=4, file="f.yaml", retry=1.0)
    assert Problem.from_json(problem.to_json()) == problem


def test_wire_form_leaves_out_what_says_nothing():
    assert Problem("a", "b").to_json() == {"code": "a", "message": "b"}


def test_unknown_keys_of_a_newer_server_are_ignored():
    assert Problem.from_json({"code": "a", "message": "b", "new": 1}) == Problem("a", "b")


def test_codes_are_looked_up_by_their_longest_known_prefix():
    assert http_status("resource.not_found") == 404
    assert http_status("resource.anything") == 422
    assert exit_code("auth.forbidden") is ExitCode.FORBIDDEN
    assert exit_code("wait.timeout") is ExitCode.TIMEOUT
    assert (http_status("never.heard"), exit_code("never.heard")) == (400, ExitCode.FAILED)


def test_an_error_shows_all_its_problems():
    error = DataOSError([Problem("a", "first"), Problem("b", "second")])
    assert "first" in str(error)
    assert "second" in str(error)
    assert error.problem.code == "a"


def test_where_is_file_line_column_as_far_as_known():
    assert Problem("a", "b", file="f", line=2, column=3).where() == "f:2:3"
    assert Problem("a", "b", file="f").where() == "f"
    assert fail("a", "b").problem.where() == ""
