"""Measures the budgets and prints medians next to what they are compared with, in one run.

`./dev bench` runs all, `./dev bench start cli` some; `--write` puts the figures into docs/benchmarks.md. Medians;
machines differ, ratios matter. No assertion anywhere: budgets stand in the table, people judge.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

from benchmarks import data, gateway, policy, scale, screens
from benchmarks.setting import ROOT, Figure, fresh, median, memory_mb, timed
from support.server import Installation, processes_of

SECRET = "name: s{}\nversion: v1\ntype: secret\nsecret: {{type: key-value, acl: r, data: {{a: b}}}}\n"


def bench_start() -> list[Figure]:
    """From `dataos up` on an empty home, and on a used one, to the first accepted apply."""
    first: list[float] = []
    again: list[float] = []
    for _ in range(5):
        with fresh(start=False) as made:
            file = made.write("s.yaml", SECRET.format(1))

            def go(made: Installation = made, file: str = file) -> None:
                made.up()
                made.ok("apply", "-f", file)

            first.append(timed(go))
            made.ok("down")
            again.append(timed(go))
    return [
        Figure("`dataos up` to first accepted apply, new home", f"{statistics.median(first):.2f} s", "< 2 s"),
        Figure("the same, existing home", f"{statistics.median(again):.2f} s", "< 2 s", "two CLI starts included"),
    ]


def bench_memory() -> list[Figure]:
    """Idle memory half a minute after the start."""
    with fresh() as made:
        time.sleep(15)
        server = memory_mb([made.pid])
        tree = memory_mb(processes_of(made.folder))
        rows = [
            Figure("idle server", f"{server:.0f} MB", "< 200 MB", "proportional set size"),
            Figure("idle tree (server and query engine)", f"{tree:.0f} MB", "< 350 MB"),
        ]
        made.ok("query", "SELECT 1")
        return [*rows, Figure("server after a first query", f"{memory_mb([made.pid]):.0f} MB", "-")]


def bench_cli() -> list[Figure]:
    """A whole CLI process: get, and the smallest query; beside a bare Python start."""
    with fresh() as made:
        bare = median(lambda: subprocess.run([sys.executable, "-c", "pass"], check=True), 15)
        get = median(lambda: made.ok("get"), 15)
        query = median(lambda: made.ok("query", "SELECT 1"), 15, warm=3)
        return [
            Figure(
                "CLI round trip: `dataos get`", f"{get * 1000:.0f} ms", "< 300 ms", f"bare Python: {bare * 1000:.0f} ms"
            ),
            Figure('CLI round trip: `dataos query "SELECT 1"`', f"{query * 1000:.0f} ms", "< 300 ms"),
        ]


CHAIN = "import time\nprint(time.time())\n{wait}"


def bench_dag() -> list[Figure]:
    """End of a job's program to the first statement of its dependent's program: a chain of ten no-op jobs."""
    jobs = [
        f"    - name: j{i}\n      dependencies: [{f'j{i - 1}' if i else ''}]\n      spec:\n        stack: script\n"
        f"        compute: runnable-default\n        stackSpec:\n          script: 'import time; print(time.time())'\n"
        for i in range(10)
    ]
    text = "name: chain\nversion: v1\ntype: workflow\nworkflow:\n  dag:\n" + "".join(jobs)
    to_process: list[float] = []
    to_statement: list[float] = []
    with fresh() as made:
        file = made.write("chain.yaml", text)
        for _ in range(3):
            made.ok("apply", "-f", file, "-r", "--wait")
            nodes = made.client().log("workflow", "chain", "public")["nodes"]
            begins = {n["node"]: float(n["text"].strip()) for n in nodes}
            records = {}
            for node in nodes:
                folder = made.home / "work" / node["attempt"]
                records[node["node"]] = json.loads((folder / "exit.json").read_text())
            for i in range(1, 10):
                ended = records[f"j{i - 1}-execute"]["ended_at"] / 1e6
                to_process.append(records[f"j{i}-execute"]["started_at"] / 1e6 - ended)
                to_statement.append(begins[f"j{i}-execute"] - ended)
    return [
        Figure("job end to dependent's process start", f"{statistics.median(to_process) * 1000:.0f} ms", "< 100 ms"),
        Figure("job end to dependent's first statement", f"{statistics.median(to_statement) * 1000:.0f} ms", "-"),
    ]


EMPTY = """
name: empty
version: v1
type: workflow
workflow:
  dag:
    - name: one
      spec:
        stack: flare:7.0
        compute: runnable-default
        stackSpec:
          job:
            inputs: [{name: tiny, dataset: "dataos://files:data/tiny.csv", format: csv}]
            outputs: [{name: tiny, dataset: "dataos://lakehouse:bench/tiny?acl=rw", format: iceberg}]
"""


def bench_flare() -> list[Figure]:
    """The smallest Flare job (one CSV row into a table), from apply to published: first and following runs."""
    with fresh() as made:
        (made.work / "data").mkdir()
        (made.work / "data" / "tiny.csv").write_text("a,b\n1,2\n")
        depot = (
            "name: files\nversion: v2alpha\ntype: depot\ndepot: {type: FILE, file: {path: " + str(made.work) + "}}\n"
        )
        made.ok("apply", "-f", made.write("depot.yaml", depot))
        file = made.write("empty.yaml", EMPTY)
        cold = timed(lambda: made.ok("apply", "-f", file, "--wait"))
        warm = median(lambda: made.ok("apply", "-f", file, "-r", "--wait"), 5, warm=0)
        return [
            Figure(
                "smallest Flare job, first on a fresh server", f"{cold:.2f} s", "-", "apply to published, CLI included"
            ),
            Figure("smallest Flare job, following", f"{warm:.2f} s", "-"),
        ]


def bench_files() -> list[Figure]:
    """100,000 files of one row as the input of a Flare job: apply to published, and the largest the server became."""
    with fresh() as made:
        folder = made.work / "many"
        folder.mkdir()
        for i in range(100_000):
            (folder / f"f{i:06d}.csv").write_text(f"a,b\n{i},2\n")
        depot = (
            "name: files\nversion: v2alpha\ntype: depot\ndepot: {type: FILE, file: {path: " + str(made.work) + "}}\n"
        )
        made.ok("apply", "-f", made.write("depot.yaml", depot))
        file = made.write("many.yaml", EMPTY.replace("name: empty", "name: many").replace("data/tiny.csv", "none/many"))
        took = timed(lambda: made.ok("apply", "-f", file, "--wait", timeout=1200))
        rows = made.ok("query", "SELECT count(DISTINCT a) AS n FROM lakehouse.bench.tiny", "-O", "json").json[0]["n"]
        peak = next(s for s in Path(f"/proc/{made.pid}/status").read_text().splitlines() if s.startswith("VmHWM"))
        return [
            Figure("Flare job over 100,000 files of one row", f"{took:.0f} s", "-", f"{rows} rows in the table"),
            Figure("server's largest memory meanwhile", f"{int(peak.split()[1]) / 1024:.0f} MB", "-"),
        ]


def bench_query() -> list[Figure]:
    """A small governed query beside bare DuckDB on the same Parquet files."""
    import duckdb

    with fresh() as made:
        (made.work / "data").mkdir()
        rows = "\n".join(f"{i},{i % 7},{i * 1.5}" for i in range(100_000))
        (made.work / "data" / "tiny.csv").write_text("a,b,c\n" + rows + "\n")
        depot = (
            "name: files\nversion: v2alpha\ntype: depot\ndepot: {type: FILE, file: {path: " + str(made.work) + "}}\n"
        )
        made.ok("apply", "-f", made.write("depot.yaml", depot))
        made.ok("apply", "-f", made.write("empty.yaml", EMPTY), "--wait")
        client = made.client()
        sql = "SELECT b, count(*) FROM lakehouse.bench.tiny GROUP BY b"
        ours = median(lambda: client.query(sql).read(), 50, warm=5)
        files = str(made.home / "warehouse" / "lakehouse" / "**" / "*.parquet")
        bare_sql = f"SELECT b, count(*) FROM read_parquet('{files}') GROUP BY b"
        with duckdb.connect() as connection:
            bare = median(lambda: connection.execute(bare_sql).fetchall(), 50, warm=5)
        return [
            Figure(
                "small query over HTTP (100,000 rows, group by)",
                f"{ours * 1000:.1f} ms",
                "overhead < 10 ms",
                f"bare DuckDB on the files: {bare * 1000:.1f} ms, ratio {ours / bare:.1f}",
            )
        ]


def bench_demo() -> list[Figure]:
    """`dataos demo flights` on a fresh home, and again."""
    with fresh(start=False) as made:
        env = {"DATAOS_LISTEN__PORT": "0"}
        first = timed(lambda: made.ok("demo", "flights", env=env, timeout=600))
        again = timed(lambda: made.ok("demo", "flights", env=env, timeout=600))
        return [
            Figure("the demo, first run", f"{first:.0f} s", "< 60 s"),
            Figure("the demo, second run", f"{again:.0f} s", "-"),
        ]


BENCHES = {
    "start": bench_start,
    "memory": bench_memory,
    "cli": bench_cli,
    "dag": bench_dag,
    **scale.BENCHES,
    "flare": bench_flare,
    "files": bench_files,
    "query": bench_query,
    "demo": bench_demo,
    **data.BENCHES,
    **policy.BENCHES,
    **gateway.BENCHES,
    **screens.BENCHES,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="./dev bench", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", choices=[*BENCHES, []], default=[])
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md")
    options = parser.parse_args()
    head = ["| what | measured | budget | beside it |", "|---|---|---|---|"]
    print("\n".join(head))
    tables: dict[str, list[str]] = {}
    for name in options.names or BENCHES:
        print(f"bench: {name}...", file=sys.stderr, flush=True)
        what = (BENCHES[name].__doc__ or "").strip()
        tables[name] = [what, "", *head]
        for f in BENCHES[name]():
            tables[name].append(f"| {f.what} | {f.measured} | {f.budget} | {f.note} |")
            print(tables[name][-1], flush=True)
        if options.write:
            write(dict(tables))


def write(tables: dict[str, list[str]]) -> None:
    """Put each bench's table into docs/benchmarks.md; those that did not run stay as they were."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    file = ROOT / "docs" / "benchmarks.md"
    for part in file.read_text().split("\n## ")[1:]:
        name, _, table = part.partition("\n")
        tables.setdefault(name.strip(), table.strip().splitlines())
    known = [name for name in BENCHES if name in tables]
    file.write_text(
        "# Benchmarks\n\nWritten by `./dev bench --write`: medians on one machine "
        f"({os.cpu_count()} cores, {memory:.0f} GiB, Python {platform.python_version()}, {platform.system()}). "
        "Machines differ and are noisy; what counts is what stands beside a figure.\n"
        + "".join(f"\n## {name}\n\n" + "\n".join(tables[name]) + "\n" for name in known)
    )


if __name__ == "__main__":
    main()
