"""From a parsed command to what it answers: the one table of who runs what."""

from __future__ import annotations

from dataos.core.errors import DataOSError
from dataos.gateway import problems
from dataos.gateway.commands import changing, defining, inserting, model, showing_more, viewing
from dataos.gateway.commands.ports import Outcome, Queries, Statements

_TRIES = 5
_CONFLICTS = ("iceberg.conflict", "depot.conflict")


async def run(command: model.Command, names: Statements, queries: Queries, query_id: str) -> Outcome:
    """Run a command once, or again where somebody else changed the table meanwhile and nothing was done yet.

    Raises DataOSError of the command, and `iceberg.conflict` or `depot.conflict` if the table kept changing.
    """
    tries = 0
    while True:
        tries += 1
        try:
            return await _once(command, names, queries, query_id)
        except DataOSError as error:
            if error.problem.code not in _CONFLICTS or tries == _TRIES or not _repeats(command):
                raise


def _repeats(command: model.Command) -> bool:
    """Statements that write rows are run anew on the table as it is now: they see one snapshot each time."""
    return isinstance(command, (model.Insert, model.Update, model.Delete, model.Merge, model.Truncate))


async def _once(command: model.Command, names: Statements, queries: Queries, query_id: str) -> Outcome:
    match command:
        case model.Insert():
            return await inserting.insert(command, names, queries, query_id)
        case model.Update():
            return await changing.update(command, names, queries, query_id)
        case model.Delete():
            return await changing.delete(command, names, queries, query_id)
        case model.Merge():
            return await changing.merge(command, names, queries, query_id)
        case model.Truncate():
            return await changing.truncate(command, names, queries)
        case model.CreateTable() if command.query is not None:
            return await inserting.create_as(command, names, queries, query_id)
        case model.CreateTable():
            return await defining.create_table(command, names, queries)
        case model.DropTable():
            return await defining.drop_table(command, names, queries)
        case model.AlterTable():
            return await defining.alter_table(command, names, queries)
        case model.Comment() if command.kind == "view":
            return await viewing.comment(command.name, command.text, names, queries)
        case model.Comment():
            return await defining.comment(command, names, queries)
        case model.Execute():
            return await defining.execute(command, names, queries)
        case model.Call():
            return await defining.call(command, names, queries)
        case model.Analyze():
            return await defining.analyze(command, names, queries)
        case model.CreateSchema():
            return await defining.create_schema(command, names, queries)
        case model.DropSchema():
            return await defining.drop_schema(command, names, queries)
        case model.AlterSchema():
            return await defining.alter_schema(command, names, queries)
        case model.CreateView():
            return await viewing.create(command, names, queries, query_id)
        case model.DropView():
            return await viewing.drop(command, names, queries)
        case model.AlterView():
            return await viewing.alter(command, names, queries)
        case model.ShowCreate():
            return await showing_more.create(command, names)
        case model.ShowStats():
            return await showing_more.stats(command, names, queries, query_id)
        case _:
            raise problems.at((1, 1), "query.unsupported", f"this statement is not supported on {queries.cluster}")
