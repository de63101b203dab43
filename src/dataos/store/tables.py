"""All tables, as SQLAlchemy Core. Times are integer UTC microseconds (`_at`); no database defaults, no triggers.

One file, because it is a list: it grows a table at a time and is read to find where a fact is kept. Desired
(`resources`, `generations`), observed (`resources.status`, `runs`, `jobs`, `attempts`), history (`events`) are apart.
JSON columns hold text that the owning room writes and reads; nothing queries inside them.
"""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# --- the installation -------------------------------------------------------------------------------------------------

facts = sa.Table(
    "facts",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
    comment="single facts of this installation: its id, its home path",
)

servers = sa.Table(
    "servers",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),  # of a home, for good
    sa.Column("incarnation", sa.Text, nullable=False),  # of one start: a second process with this id is found by it
    sa.Column("state", sa.Text, nullable=False),  # running | stopped | lost | gone
    sa.Column("beat", sa.BigInteger, nullable=False),  # +1 at each sign of life: others watch it change
    sa.Column("seen_at", sa.BigInteger, nullable=False),
    sa.Column("started_at", sa.BigInteger, nullable=False),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("host", sa.Text, nullable=False),
    sa.Column("version", sa.Text, nullable=False),
    comment="servers that share this store",
)

# --- governance -------------------------------------------------------------------------------------------------------

users = sa.Table(
    "users",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("type", sa.Text, nullable=False),  # person | application
    sa.Column("tags", sa.JSON, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("email", sa.Text),
    sa.Column("description", sa.Text),
    sa.Column("properties", sa.JSON),  # {key: value}, texts
    sa.Column("disabled_at", sa.BigInteger),  # NULL: active
    sa.Column("disabled_by", sa.Text),
    sa.Column("federated_connector_id", sa.Text),  # which login provider; NULL: known here only
    sa.Column("federated_user_id", sa.Text),  # the provider's own id of the person
    sa.Column("federated_tags", sa.JSON),  # tags that the newest login gave; NULL: none
    sa.Index("ix_users_federated", "federated_connector_id", "federated_user_id", unique=True),
)

passwords = sa.Table(
    "passwords",
    metadata,
    sa.Column("user_id", sa.Text, sa.ForeignKey("users.id"), primary_key=True),
    sa.Column("hash", sa.Text, nullable=False),  # Argon2id with its parameters and salt
    sa.Column("changed_at", sa.BigInteger, nullable=False),
    comment="of persons who sign in here, not at a provider",
)

invitations = sa.Table(
    "invitations",
    metadata,
    sa.Column("digest", sa.Text, primary_key=True),  # HMAC of the token in the link
    sa.Column("user_id", sa.Text, sa.ForeignKey("users.id"), nullable=False, index=True),
    sa.Column("created_by", sa.Text, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("expires_at", sa.BigInteger, nullable=False),
    comment="links by which a person may set a password once; used ones are gone",
)

login_failures = sa.Table(
    "login_failures",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),  # digest of who or where from
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("last_at", sa.BigInteger, nullable=False),
    sa.Column("until", sa.BigInteger, nullable=False, index=True),  # nobody may try before
    comment="tries to log in that did not succeed (yet): how long the next one must wait",
)

login_handovers = sa.Table(
    "login_handovers",
    metadata,
    sa.Column("digest", sa.Text, primary_key=True),  # HMAC of the code that the browser carries to the CLI
    sa.Column("user_id", sa.Text, sa.ForeignKey("users.id"), nullable=False, index=True),
    sa.Column("challenge", sa.Text, nullable=False),  # PKCE: only who began the login has its verifier
    sa.Column("expires_at", sa.BigInteger, nullable=False, index=True),
    comment="persons who logged in at a provider for a CLI that has not fetched its session yet",
)

identity_changes = sa.Table(
    "identity_changes",
    metadata,
    sa.Column("seq", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("subject", sa.Text, nullable=False, index=True),  # `user:<id>` or `role:<id>`
    sa.Column("change", sa.Text, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("data", sa.JSON, nullable=False),
    comment="who changed which identity, and how",
)

tokens = sa.Table(
    "tokens",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("digest", sa.Text, nullable=False, unique=True),  # HMAC of the token; the token itself is kept nowhere
    sa.Column("user_id", sa.Text, sa.ForeignKey("users.id"), nullable=False, index=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),  # apikey | attempt | session
    sa.Column("scope", sa.JSON, nullable=False),  # attempt tokens: {workspace, run_id, attempt_id}
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("expires_at", sa.BigInteger),
    sa.Column("revoked_at", sa.BigInteger),
)

policy_state = sa.Table(
    "policy_state",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),  # 1
    sa.Column("version", sa.BigInteger, nullable=False),  # +1 in each transaction that changes a rule
    comment="by what servers see that rules changed",
)

policies = sa.Table(
    "policies",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),  # `policy:<name>`, `grant:<id>:<number>`
    sa.Column("body", sa.JSON(none_as_null=True)),  # the rule; NULL: it is gone
    sa.Column("changed", sa.BigInteger, nullable=False, index=True),  # version of the change
    comment="rules in force: what decisions are made by",
)

governance_artifacts = sa.Table(
    "governance_artifacts",
    metadata,
    sa.Column("kind", sa.Text, primary_key=True),  # tag-namespace | role | provider | use-case
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("body", sa.JSON, nullable=False),
    sa.Column("shipped", sa.Boolean, nullable=False),  # came with the installation: cannot be removed
    sa.Column("created_by", sa.Text, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    comment="tag-namespaces, roles, providers with their atoms, use-cases",
)

grants = sa.Table(
    "grants",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("uid", sa.Text, unique=True),  # of the Grant Resource; NULL: made by API
    sa.Column("use_case", sa.Text, nullable=False, index=True),
    sa.Column("subjects", sa.JSON, nullable=False),  # tags
    sa.Column("values", sa.JSON, nullable=False),  # [{atom, variables}]
    sa.Column("state", sa.Text, nullable=False),  # requested | approved | rejected
    sa.Column("requester", sa.Text, nullable=False),
    sa.Column("creator", sa.Text, nullable=False),
    sa.Column("source", sa.Text, nullable=False),  # which component filed it
    sa.Column("notes", sa.Text, nullable=False),
    sa.Column("grant_id", sa.Text),  # once approved
    sa.Column("decision", sa.Text),  # who decided
    sa.Column("reason", sa.Text),  # and why, for who asked
    sa.Column("decided_at", sa.BigInteger),
    sa.Column("expires_at", sa.BigInteger),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    comment="use-cases bound to subjects, and requests for that",
)

audit = sa.Table(
    "audit",
    metadata,
    sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),  # without gaps
    sa.Column("at", sa.BigInteger, nullable=False, index=True),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("run_as", sa.Text, nullable=False),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("object", sa.Text, nullable=False),
    sa.Column("allowed", sa.Boolean, nullable=False),
    sa.Column("policies", sa.JSON, nullable=False),  # names of what decided
    sa.Column("correlation", sa.Text, nullable=False),
    sa.Column("data", sa.JSON, nullable=False),
    sa.Column("digest", sa.Text, nullable=False),  # over this row and the digest before it
    comment="what was asked of whom and how it was decided; append-only, each row seals those before it",
)

query_history = sa.Table(
    "query_history",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("user", sa.Text, nullable=False, index=True),
    sa.Column("cluster", sa.Text, nullable=False),
    sa.Column("source", sa.Text, nullable=False),  # the client's name
    sa.Column("dialect", sa.Text, nullable=False),
    sa.Column("sql", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),  # queued | running | finished | failed | cancelled
    sa.Column("reason", sa.Text, nullable=False),  # why it had to wait
    sa.Column("error", sa.Text, nullable=False),  # code
    sa.Column("server", sa.Text, nullable=False),  # that ran it
    sa.Column("created_at", sa.BigInteger, nullable=False, index=True),
    sa.Column("finished_at", sa.BigInteger),
    sa.Column("timings", sa.JSON, nullable=False),  # step -> seconds
    sa.Column("rows", sa.BigInteger),
    sa.Column("bytes", sa.BigInteger),
    sa.Column("tables", sa.JSON, nullable=False),  # [{catalog, schema, table, policies, masks, filters}]
    sa.Column("plan", sa.Text),  # as EXPLAIN told it then; NULL: it was not planned
    comment="statements that the gateway ran or refused",
)

benches = sa.Table(
    "benches",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("owner", sa.Text, nullable=False, index=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("sql", sa.Text, nullable=False),
    sa.Column("cluster", sa.Text),  # to ask; NULL: the default one
    sa.Column("sharing", sa.Text, nullable=False, index=True),  # private | all | tags
    sa.Column("tags", sa.JSON, nullable=False),  # who has any of them reads it, where it is shared by tags
    sa.Column("version", sa.Integer, nullable=False),  # +1 with each change: a writer says which one it read
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("updated_at", sa.BigInteger, nullable=False),
    comment="statements that people keep in the Workbench; texts only",
)

vault = sa.Table(
    "vault",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("wrapped_key", sa.LargeBinary, nullable=False),  # data key, sealed by the master key
    sa.Column("ciphertext", sa.LargeBinary, nullable=False),  # nonce + AES-GCM
    sa.Column("created_at", sa.BigInteger, nullable=False),
)

# --- resources --------------------------------------------------------------------------------------------------------

workspaces = sa.Table(
    "workspaces",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("layer", sa.Text, nullable=False),
    sa.Column("description", sa.Text, nullable=False),
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("tags", sa.JSON, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("labels", sa.JSON),
)

resources = sa.Table(
    "resources",
    metadata,
    sa.Column("uid", sa.Text, primary_key=True),
    # type/workspace/name while it lives, NULL afterwards: unique among the living on every database
    sa.Column("live_key", sa.Text, unique=True),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("workspace", sa.Text),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("version", sa.Text, nullable=False),
    sa.Column("layer", sa.Text, nullable=False),
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("parent_uid", sa.Text),  # children made by a controller (a Lakehouse's Depot)
    sa.Column("tags", sa.JSON, nullable=False),
    sa.Column("generation", sa.Integer, nullable=False),
    sa.Column("observed_generation", sa.Integer, nullable=False),
    sa.Column("stamp", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),  # pending | active | error | deleted (ch01 5.1)
    sa.Column("runtime", sa.Text, nullable=False),
    sa.Column("stage", sa.Text, nullable=False),  # building | error
    sa.Column("wanted", sa.Integer, nullable=False),
    sa.Column("processed", sa.Integer, nullable=False),
    sa.Column("info", sa.Text, nullable=False),
    sa.Column("state", sa.JSON, nullable=False),  # what the controller observed; its own business
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("updated_at", sa.BigInteger, nullable=False),
    sa.Column("deleting_at", sa.BigInteger),  # asked to go; the controller still cleans up
    sa.Column("deleted_at", sa.BigInteger),
    sa.Index("ix_resources_listing", "type", "workspace", "name"),
    sa.Index("ix_resources_parent_uid", "parent_uid"),
)

generations = sa.Table(
    "generations",
    metadata,
    sa.Column("uid", sa.Text, sa.ForeignKey("resources.uid"), primary_key=True),
    sa.Column("generation", sa.Integer, primary_key=True),
    sa.Column("manifest", sa.JSON, nullable=False),  # sealed: secret values read `vault:<id>#<version>`
    sa.Column("digest", sa.Text, nullable=False),  # keyed digest of the manifest with its secret values
    sa.Column("source", sa.JSON, nullable=False),  # {file, lines}: where SQL stood in the user's file
    sa.Column("applied_by", sa.Text, nullable=False),
    sa.Column("applied_at", sa.BigInteger, nullable=False),
    sa.Column("cause", sa.Text),  # NULL: an apply; else `rollback to N`, `undelete`
)

references = sa.Table(
    "resource_references",
    metadata,
    sa.Column("uid", sa.Text, sa.ForeignKey("resources.uid"), primary_key=True),
    sa.Column("target", sa.Text, primary_key=True),  # a live_key
    sa.Column("path", sa.Text, nullable=False),  # where in the manifest
    sa.Index("ix_resource_references_target", "target"),
    comment="what the newest generation of a living Resource depends on",
)

watches = sa.Table(
    "resource_watches",
    metadata,
    sa.Column("uid", sa.Text, sa.ForeignKey("resources.uid"), primary_key=True),
    sa.Column("target", sa.Text, primary_key=True),  # a live_key, of what need not be there
    sa.Index("ix_resource_watches_target", "target"),
    comment="Resources that want a look when another comes, changes or goes; unlike references they hold nothing",
)

events = sa.Table(
    "events",
    metadata,
    sa.Column("seq", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("uid", sa.Text, index=True),
    sa.Column("kind", sa.Text, nullable=False),  # created, updated, deleted, status, run.started ...
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("data", sa.JSON, nullable=False),
    sa.Column("pending", sa.Boolean),  # its row of the audit is to be written
    sa.Index("ix_events_pending", "pending", "seq"),
    comment="the outbox: written in the transaction that makes the event true",
)

idempotency = sa.Table(
    "idempotency",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),  # caller and Idempotency-Key
    sa.Column("request", sa.Text, nullable=False),  # keyed digest of what was asked
    sa.Column("answer", sa.JSON, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False, index=True),
    comment="answers of calls that may be repeated, kept for a day",
)

# --- work -------------------------------------------------------------------------------------------------------------

work = sa.Table(
    "work",
    metadata,
    sa.Column("unit", sa.Text, primary_key=True),  # `resource:<uid>`, `run:<id>`, `job:<run id>/<name>`
    sa.Column("due_at", sa.BigInteger, nullable=False, index=True),
    sa.Column("lease_owner", sa.Text),
    sa.Column("lease_until", sa.BigInteger),
    sa.Column("fence", sa.BigInteger, nullable=False),  # +1 at each claim: a stale holder cannot write
    sa.Column("wakes", sa.BigInteger, nullable=False),  # +1 at each wake: one that came during a look is not lost
    sa.Column("failures", sa.Integer, nullable=False),  # in a row, for back-off
    sa.Column("error", sa.Text, nullable=False),
    sa.Column("server", sa.Text),  # only this server may look: the unit's process runs there
    sa.Column("reckoned_at", sa.BigInteger),  # the time of the clock by which `due_at` was reckoned
    comment="units that need a reconciler's look; a unit without work has no row",
)

runs = sa.Table(
    "runs",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("uid", sa.Text, sa.ForeignKey("resources.uid"), nullable=False, index=True),
    sa.Column("generation", sa.Integer, nullable=False),
    sa.Column("trigger", sa.Text, nullable=False),  # `apply`, `tick:<us>`, `run:<id>`...: unique per Resource
    sa.Column("state", sa.Text, nullable=False),  # pending | running | succeeded | failed | aborted
    sa.Column("stopping", sa.Boolean, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("started_at", sa.BigInteger),
    sa.Column("finished_at", sa.BigInteger),
    sa.Column("parent", sa.Text, index=True),  # `<run id>/<job name>` of the node that this run is, or NULL
    sa.Column("path", sa.Text),  # of a nested run: names of nodes down to the DAG inside its generation's manifest
    sa.UniqueConstraint("uid", "trigger"),
)

schedules = sa.Table(
    "schedules",
    metadata,
    sa.Column("uid", sa.Text, sa.ForeignKey("resources.uid"), primary_key=True),
    sa.Column("timing", sa.Text, nullable=False),  # cron, zone and end that `next_at` was reckoned from; `` if none
    sa.Column("next_at", sa.BigInteger),  # the next tick; NULL: none will come, or it is paused
    sa.Column("last_at", sa.BigInteger),  # the newest tick that was dealt with: never dealt with again
    sa.Column("skipped", sa.Text, nullable=False),  # why the newest tick made no run
    sa.Column("paused_at", sa.BigInteger),
    sa.Column("paused_by", sa.Text),
    comment="ticks of scheduled Workflows, and which Workflows are paused",
)

jobs = sa.Table(
    "jobs",
    metadata,
    sa.Column("run_id", sa.Text, sa.ForeignKey("runs.id"), primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),  # number of the newest attempt, 0 before the first
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("not_before", sa.BigInteger),  # retry delay
    sa.Column("started_at", sa.BigInteger),
    sa.Column("finished_at", sa.BigInteger),
)

attempts = sa.Table(
    "attempts",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("run_id", sa.Text, nullable=False),
    sa.Column("job", sa.Text, nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("state", sa.Text, nullable=False),  # launching | running | succeeded | failed | lost | aborted
    sa.Column("cpu", sa.Float, nullable=False),
    sa.Column("memory_bytes", sa.BigInteger, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("exit_code", sa.Integer),
    sa.Column("result", sa.JSON),  # what the job reported: rows, lineage, assertions
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("started_at", sa.BigInteger),
    sa.Column("finished_at", sa.BigInteger),
    sa.Column("server", sa.Text),  # whose process it is; NULL: made before servers had ids
    sa.UniqueConstraint("run_id", "job", "number"),
)

job_states = sa.Table(
    "job_states",
    metadata,
    sa.Column("workspace", sa.Text, primary_key=True),
    sa.Column("resource", sa.Text, primary_key=True),  # name of the Workflow
    sa.Column("job", sa.Text, primary_key=True),
    sa.Column("input", sa.Text, primary_key=True),
    sa.Column("state", sa.JSON, nullable=False),  # name -> value
    sa.Column("run_id", sa.Text, nullable=False),  # which run wrote it
    sa.Column("updated_at", sa.BigInteger, nullable=False),
    comment="how far incremental inputs have come; written with what was published",
)

# --- metadata ---------------------------------------------------------------------------------------------------------

datasets = sa.Table(
    "datasets",
    metadata,
    sa.Column("address", sa.Text, primary_key=True),  # dataos://depot:collection/dataset
    sa.Column("depot", sa.Text, nullable=False, index=True),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("description", sa.Text, nullable=False),
    sa.Column("owner", sa.Text, nullable=False),  # whose job wrote it last; empty: nobody's did
    sa.Column("columns", sa.JSON, nullable=False),  # [{name, type, description}], in order
    sa.Column("rows", sa.BigInteger),  # that the newest run wrote, where it knows
    sa.Column("major", sa.Integer, nullable=False),  # of its meta version
    sa.Column("minor", sa.Integer, nullable=False),
    sa.Column("written_by", sa.JSON),  # {namespace, job, run, attempt} of the newest run that wrote it
    sa.Column("written_at", sa.BigInteger),
    sa.Column("seen_at", sa.BigInteger, nullable=False),  # when a run last read or wrote it
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("updated_at", sa.BigInteger, nullable=False),
    comment="what is known of datasets that jobs read and write",
)

dataset_tags = sa.Table(
    "dataset_tags",
    metadata,
    sa.Column("address", sa.Text, primary_key=True),
    sa.Column("column", sa.Text, primary_key=True),  # empty: the dataset itself
    sa.Column("tag", sa.Text, primary_key=True),
    sa.Column(
        "source", sa.Text, primary_key=True
    ),  # `job:<namespace>:<name>`, `user:<id>`: who says so, and may unsay it
    comment="tags of datasets and columns, each with who gave it",
)

dataset_tag_refusals = sa.Table(
    "dataset_tag_refusals",
    metadata,
    sa.Column("address", sa.Text, primary_key=True),
    sa.Column("column", sa.Text, primary_key=True),
    sa.Column("tag", sa.Text, primary_key=True),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("at", sa.BigInteger, nullable=False),
    comment="inherited tags that somebody took off: they do not come again",
)

dataset_versions = sa.Table(
    "dataset_versions",
    metadata,
    sa.Column("address", sa.Text, primary_key=True),
    sa.Column("major", sa.Integer, primary_key=True),
    sa.Column("minor", sa.Integer, primary_key=True),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("changes", sa.JSON, nullable=False),  # texts
    sa.Column("state", sa.JSON, nullable=False),  # title, description, tags, columns as they were then
    comment="how what is known of a dataset came to be",
)

dataset_labels = sa.Table(
    "dataset_labels",
    metadata,
    sa.Column("address", sa.Text, primary_key=True),
    sa.Column("column", sa.Text, primary_key=True),
    sa.Column("tag", sa.Text, primary_key=True),
    sa.Column("confidence", sa.Float, nullable=False),  # 0 to 1
    sa.Column("state", sa.Text, nullable=False),  # suggested | accepted | discarded
    sa.Column("found_at", sa.BigInteger, nullable=False),
    sa.Column("decided_by", sa.Text),
    sa.Column("decided_at", sa.BigInteger),
    comment="tags that a profile suggests for columns, and what people decided; a discarded one stays discarded",
)

dataset_profiles = sa.Table(
    "dataset_profiles",
    metadata,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    sa.Column("address", sa.Text, nullable=False, index=True),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("job", sa.JSON, nullable=False),  # {namespace, job, run, attempt}
    sa.Column("level", sa.Text, nullable=False),
    sa.Column("filters", sa.JSON, nullable=False),
    sa.Column("rows", sa.BigInteger, nullable=False),
    sa.Column("columns", sa.JSON, nullable=False),  # [{name, type, count, nulls, ...}]
    sa.Column("correlations", sa.JSON, nullable=False),
    comment="statistics of datasets, one row a profiling run",
)

dataset_quality = sa.Table(
    "dataset_quality",
    metadata,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    sa.Column("address", sa.Text, nullable=False, index=True),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("job", sa.JSON, nullable=False),  # {namespace, job, run, attempt}
    sa.Column("column", sa.Text, nullable=False),  # empty: a query's result is tested
    sa.Column("name", sa.Text, nullable=False),  # columnValueAvgGreaterThan
    sa.Column("test", sa.Text, nullable=False),  # as written
    sa.Column("value", sa.Float),
    sa.Column("passed", sa.Boolean, nullable=False),
    comment="results of assertions, one row a test and run",
)

lineage_jobs = sa.Table(
    "lineage_jobs",
    metadata,
    sa.Column("namespace", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),  # ours: workspace.workflow.job
    sa.Column("about", sa.JSON, nullable=False),  # {workspace, workflow, job, stack, description}; empty: of others
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),  # of the newest run: COMPLETE | FAIL | ABORT
    sa.Column("run", sa.Text, nullable=False),
    sa.Column("last_at", sa.BigInteger, nullable=False),
    comment="jobs that lineage names",
)

lineage_edges = sa.Table(
    "lineage_edges",
    metadata,
    sa.Column("upstream", sa.Text, primary_key=True),  # address
    sa.Column("downstream", sa.Text, primary_key=True),  # address; empty: the job only reads
    sa.Column("namespace", sa.Text, primary_key=True),  # of the job
    sa.Column("job", sa.Text, primary_key=True),
    sa.Column("columns", sa.JSON, nullable=False),  # [[from, to], ...]
    sa.Column("resolved", sa.Boolean, nullable=False),  # False: any column may come from any
    sa.Column("run", sa.Text, nullable=False),  # the newest successful one that went this way
    sa.Column("first_at", sa.BigInteger, nullable=False),
    sa.Column("last_at", sa.BigInteger, nullable=False),
    sa.Index("ix_lineage_edges_downstream", "downstream"),
    comment="from which datasets a job makes which, as of its newest successful run that wrote them",
)

lineage_events = sa.Table(
    "lineage_events",
    metadata,
    sa.Column("seq", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("run", sa.Text, nullable=False, index=True),  # UUID
    sa.Column("type", sa.Text, nullable=False),  # START | RUNNING | COMPLETE | FAIL | ABORT | OTHER
    sa.Column("namespace", sa.Text, nullable=False),
    sa.Column("job", sa.Text, nullable=False),
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("received", sa.Boolean, nullable=False),
    sa.Column("pending", sa.Boolean, nullable=False),  # to be sent to the configured receiver
    sa.Column("body", sa.JSON, nullable=False),  # OpenLineage run event
    sa.Index("ix_lineage_events_pending", "pending", "seq"),
    comment="OpenLineage events, ours and received ones; written in the transaction that makes them true",
)

# --- products ---------------------------------------------------------------------------------------------------------

products = sa.Table(
    "products",
    metadata,
    sa.Column("uid", sa.Text, sa.ForeignKey("resources.uid"), primary_key=True),
    sa.Column("name", sa.Text, nullable=False, index=True),
    sa.Column("version", sa.Text, nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("description", sa.Text, nullable=False),
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("people", sa.JSON, nullable=False),  # [[user, role]]
    sa.Column("tiers", sa.JSON, nullable=False),
    sa.Column("domains", sa.JSON, nullable=False),
    sa.Column("use_cases", sa.JSON, nullable=False),
    sa.Column("custom_tags", sa.JSON, nullable=False),  # `Group.value`
    sa.Column("ports", sa.JSON, nullable=False),  # kinds of ports that are there
    sa.Column("draft", sa.Boolean, nullable=False),
    sa.Column("lifecycle", sa.JSON, nullable=False),  # {stage, deprecatedOn, retireOn, replacedBy}
    sa.Column("resolved", sa.Boolean, nullable=False),  # all references were there at the last look
    sa.Column("contract_version", sa.Text),
    sa.Column("contract", sa.JSON, nullable=False),  # {address of an output: [[column, type]]} that is promised
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("updated_at", sa.BigInteger, nullable=False),
    sa.Column("deleted_at", sa.BigInteger),
    comment="what lists of products show and search, as of their newest generations",
)

product_refs = sa.Table(
    "product_refs",
    metadata,
    sa.Column("uid", sa.Text, sa.ForeignKey("products.uid"), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),
    sa.Column("side", sa.Text, nullable=False),  # input | output | bundle | member | lens | service | related
    sa.Column("target", sa.Text, nullable=False, index=True),  # address of a dataset, live_key, or id of a product
    sa.Column("description", sa.Text, nullable=False),
    sa.Column("purpose", sa.Text, nullable=False),
    sa.Column("missing", sa.Text, nullable=False),  # why it does not resolve; empty: it does
    comment="what products point at",
)

product_marks = sa.Table(
    "product_marks",
    metadata,
    sa.Column("user", sa.Text, primary_key=True),
    sa.Column("uid", sa.Text, sa.ForeignKey("products.uid"), primary_key=True),
    sa.Column("favorite_at", sa.BigInteger),
    sa.Column("opened_at", sa.BigInteger),
    comment="products that users starred or opened",
)

inbox = sa.Table(
    "inbox",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("user", sa.Text, nullable=False),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),  # product.deprecated, product.access ...
    sa.Column("subject", sa.Text, nullable=False),  # id of what it is about
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("data", sa.JSON, nullable=False),
    sa.Column("read_at", sa.BigInteger),
    sa.Index("ix_inbox_user", "user", "at"),
    comment="notices for users",
)

# --- depots -----------------------------------------------------------------------------------------------------------

depots = sa.Table(
    "depots",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("uid", sa.Text, nullable=False),  # of the Depot Resource
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("location", sa.JSON, nullable=False),  # the type's location model; no credentials
    sa.Column("secrets", sa.JSON, nullable=False),  # {"r": [vault ids], "rw": [vault ids]}
    sa.Column("generation", sa.Integer, nullable=False),
    comment="what the Depot controller made of the living Depots, for the resolver",
)

# --- lakehouse --------------------------------------------------------------------------------------------------------

iceberg_warehouses = sa.Table(
    "iceberg_warehouses",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),  # the Lakehouse's depot name
    sa.Column("uid", sa.Text, nullable=False),  # of the Lakehouse Resource
    sa.Column("location", sa.Text, nullable=False),  # absolute root of its tables
    sa.Column("properties", sa.JSON, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
)

iceberg_namespaces = sa.Table(
    "iceberg_namespaces",
    metadata,
    sa.Column("warehouse", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),  # text form of dataos.lakehouse.namespaces
    sa.Column("properties", sa.JSON, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
)

iceberg_tables = sa.Table(
    "iceberg_tables",
    metadata,
    sa.Column("warehouse", sa.Text, primary_key=True),
    sa.Column("namespace", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("uuid", sa.Text, nullable=False),
    sa.Column("location", sa.Text, nullable=False),
    sa.Column("metadata_location", sa.Text, nullable=False),
    sa.Column("previous_metadata_location", sa.Text),
    sa.Column("updated_at", sa.BigInteger, nullable=False),
)

iceberg_views = sa.Table(
    "iceberg_views",
    metadata,
    sa.Column("warehouse", sa.Text, primary_key=True),
    sa.Column("namespace", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("uuid", sa.Text, nullable=False),
    sa.Column("location", sa.Text, nullable=False),
    sa.Column("metadata_location", sa.Text, nullable=False),
    sa.Column("updated_at", sa.BigInteger, nullable=False),
    sa.Column("definer", sa.Text),  # the user whose right to select the SQL lends; NULL: nobody's
    comment="pointers of Iceberg views; no table of the same name is there",
)

iceberg_overlays = sa.Table(
    "iceberg_overlays",
    metadata,
    sa.Column("attempt_id", sa.Text, primary_key=True),
    sa.Column("warehouse", sa.Text, primary_key=True),
    sa.Column("namespace", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    # what the attempt sees under this name: a held pointer, or NULL where it dropped the table
    sa.Column("uuid", sa.Text),
    sa.Column("location", sa.Text),
    sa.Column("metadata_location", sa.Text),
    # what was published under this name at the first touch; NULL: nothing. Publish demands that it still is
    sa.Column("base_metadata_location", sa.Text),
    # the published metadata that the held one grew from; NULL: the attempt made the table, and owns its folder
    sa.Column("origin_metadata_location", sa.Text),
    sa.Column("appends_only", sa.Boolean, nullable=False),
    sa.Column("purge", sa.Boolean, nullable=False),  # the dropped table's files go after publish
    sa.Column("updated_at", sa.BigInteger, nullable=False),
    comment="commits of a job attempt, held until it is published or swept",
)

iceberg_overlay_namespaces = sa.Table(
    "iceberg_overlay_namespaces",
    metadata,
    sa.Column("attempt_id", sa.Text, primary_key=True),
    sa.Column("warehouse", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("properties", sa.JSON, nullable=False),
    comment="namespaces that an attempt made, held like its tables",
)

publications = sa.Table(
    "publications",
    metadata,
    sa.Column("attempt_id", sa.Text, primary_key=True),
    sa.Column("outcome", sa.Text, nullable=False),  # published | abandoned
    sa.Column("tables", sa.JSON, nullable=False),
    sa.Column("settled_at", sa.BigInteger, nullable=False),
    comment="attempts whose catalog view is closed: published never a second time, and no more commits",
)

iceberg_garbage = sa.Table(
    "iceberg_garbage",
    metadata,
    sa.Column("path", sa.Text, primary_key=True),  # a table's folder, or held metadata that was abandoned
    sa.Column(
        "base", sa.Text
    ),  # of held metadata: what it grew from, only the difference is garbage; empty: a lone file
    sa.Column("due_at", sa.BigInteger, nullable=False, index=True),
    comment="files to delete unless a living table uses them; written in the transaction that made them garbage",
)

iceberg_idempotency = sa.Table(
    "iceberg_idempotency",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),  # caller and Idempotency-Key
    sa.Column("result", sa.JSON, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False, index=True),
)
