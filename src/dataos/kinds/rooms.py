"""What the controller of a kind that is not built in is made with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dataos.control.resources import Resources
from dataos.core.clock import Clock
from dataos.core.ids import Ids
from dataos.depots.resolver import Depots
from dataos.lakehouse.catalog import Catalog
from dataos.store.database import Store


@dataclass(frozen=True)
class KindRooms:
    """The one argument of a third-party controller (entry point group `dataos.kinds`)."""

    store: Store
    clock: Clock
    ids: Ids
    resources: Resources
    depots: Depots
    catalog: Catalog
    allowed_paths: tuple[Path, ...]
