"""Draws docs/pictures/*.svg from the lists below: `python tools/pictures.py`. Plain SVG, readable on light and dark."""

from __future__ import annotations

from html import escape
from pathlib import Path

OUT = Path(__file__).resolve().parent.parent / "docs" / "pictures"

STYLE = """<style>
text{font-family:system-ui,-apple-system,'Segoe UI',sans-serif;fill:#1c2733}
.t{font-weight:600;font-size:15px}.s{font-size:12px;fill:#4a5a6a}.b{fill:#f5f8fb;stroke:#b8c6d4;stroke-width:1.2}
.k{fill:#e8f1fb;stroke:#5b8fc7;stroke-width:1.4}.g{fill:#e9f6ee;stroke:#4f9d6b;stroke-width:1.4}
.a{stroke:#5a6b7c;stroke-width:1.6;fill:none;marker-end:url(#h)}.bg{fill:#ffffff}
</style><defs><marker id="h" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">
<path d="M0 0 8 4 0 8z" fill="#5a6b7c"/></marker></defs>"""


def box(x: int, y: int, w: int, h: int, title: str, lines: list[str], cls: str = "b") -> str:
    parts = [f'<rect class="{cls}" x="{x}" y="{y}" width="{w}" height="{h}" rx="8"/>']
    parts.append(f'<text class="t" x="{x + 12}" y="{y + 23}">{escape(title)}</text>')
    for i, line in enumerate(lines):
        parts.append(f'<text class="s" x="{x + 12}" y="{y + 42 + 16 * i}">{escape(line)}</text>')
    return "".join(parts)


def arrow(x1: int, y1: int, x2: int, y2: int) -> str:
    return f'<path class="a" d="M{x1} {y1} L{x2} {y2}"/>'


def svg(w: int, h: int, *parts: str) -> str:
    body = "".join(parts)
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {w} {h}" width="{w}" height="{h}">{STYLE}<rect class="bg" width="{w}" height="{h}" rx="10"/>{body}</svg>\n'


def way_of_a_product() -> str:
    return svg(
        980,
        290,
        box(20, 30, 170, 84, "Raw files", ["CSV, Parquet, JSON", "stay where they are"]),
        box(20, 150, 170, 84, "A database", ["PostgreSQL", "stays where it is"]),
        box(240, 90, 150, 84, "Depots", ["sources by name,", "secrets sealed"], "k"),
        box(440, 90, 160, 84, "Workflow", ["Flare jobs: SQL steps,", "checks, one DAG"], "k"),
        box(650, 90, 140, 84, "Lakehouse", ["Iceberg tables,", "published at once"], "k"),
        box(840, 90, 120, 84, "Answers", ["SQL: CLI, HTTP", "one gate"], "g"),
        arrow(190, 72, 238, 115),
        arrow(190, 192, 238, 150),
        arrow(390, 132, 438, 132),
        arrow(600, 132, 648, 132),
        arrow(790, 132, 838, 132),
        '<path class="a" d="M315 174 C 340 268, 880 268, 900 176"/>',
        '<text class="s" x="500" y="262">asked in place, not copied</text>',
        '<text class="s" x="20" y="20">declared in YAML, applied with one command</text>',
    )


FLOORS = [
    ("13", "server", "composition root: settings in, objects wired, start and stop order"),
    ("12", "doors", "HTTP API, web app, Iceberg REST, object door, streams of events"),
    ("11", "kinds | stacks", "secret, depot, workflow, bundle, data product... | flare..."),
    ("10", "workloads", "the block every runnable shares, attempts, environment, admissions"),
    ("9", "control", "plan, apply, delete, history, reconciler; knows kinds by protocol only"),
    ("7", "gateway", "parse, qualify, authorise, secure, check, run, stream"),
    ("6", "metadata | engines", "lineage, profiles, quality, tags | DuckDB in a process of its own"),
    ("5", "lakehouse", "Iceberg catalog, its REST protocol, run transactions, maintenance"),
    ("4", "depots", "what a source is, how to reach it, which secret opens it"),
    ("3", "governance | processes", "identities, policies, grants, audit | shim, sandbox, runner"),
    ("2", "manifest | store", "YAML to models, registry | SQLAlchemy tables, leases, migrations"),
    ("1", "core", "errors, settings, names, addresses, clock, ids, bell, logs"),
]


def house() -> str:
    parts = []
    for i, (floor, rooms, text) in enumerate(FLOORS):
        y = 20 + i * 52
        parts.append(f'<rect class="{"k" if i % 2 else "b"}" x="20" y="{y}" width="740" height="46" rx="6"/>')
        parts.append(f'<text class="s" x="34" y="{y + 28}">{floor}</text>')
        parts.append(f'<text class="t" x="70" y="{y + 20}">{escape(rooms)}</text>')
        parts.append(f'<text class="s" x="70" y="{y + 37}">{escape(text)}</text>')
    height = 20 + len(FLOORS) * 52
    parts.append(
        box(
            790,
            20,
            170,
            130,
            "cli over client",
            ["a program of its own:", "imports core and", "manifest only, speaks", "HTTP to the server"],
            "g",
        )
    )
    parts.append(
        box(
            790,
            200,
            176,
            112,
            "jobs",
            [
                "Flare driver, Sail or Spark,",
                "in a sandbox; reach the",
                "server by a unix socket",
                "with a token of the run",
            ],
            "g",
        )
    )
    parts.append(f'<path class="a" d="M775 30 L775 {height - 10}"/>')
    parts.append(
        box(
            790,
            340,
            176,
            112,
            "web",
            ["React in the browser;", "knows the server by its", "routes only, typed by", "their description"],
            "g",
        )
    )
    parts.append('<text class="s" x="790" y="480">imports go down only</text>')
    return svg(980, height + 20, *parts)


def main() -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "way.svg").write_text(way_of_a_product())
    (OUT / "house.svg").write_text(house())


if __name__ == "__main__":
    main()
