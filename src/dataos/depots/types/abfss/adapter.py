"""Containers of Azure storage accounts, by account key. The store is asked at its blob endpoint, which every account
has, whichever endpoint (`dfs`, `blob`) the manifest's addresses name."""

from __future__ import annotations

from collections.abc import Mapping

from dataos.core.errors import fail
from dataos.depots.objectstores import ObjectStoreAdapter, pick
from dataos.depots.ports import DepotEntry, ObjectStoreConnection


class AzureAdapter(ObjectStoreAdapter):
    """ABFSS and WASBS depots."""

    def object_store(self, entry: DepotEntry, credentials: Mapping[str, str]) -> ObjectStoreConnection:
        where = entry.location
        account = str(where["account"])
        suffix = str(where.get("endpointSuffix") or pick(credentials, "azureendpointsuffix") or "")
        key = pick(credentials, "azurestorageaccountkey")
        if credentials and key is None:
            raise fail(
                "depot.credentials",
                f"the secret of depot '{entry.name}' lacks `azurestorageaccountkey`",
                hint="an Azure secret has the keys azurestorageaccountname and azurestorageaccountkey",
            )
        named = pick(credentials, "azurestorageaccountname")
        if named is not None and named != account:
            raise fail(
                "depot.credentials",
                f"depot '{entry.name}': its secret is for another storage account than '{account}'",
                hint="correct `account`, or `azurestorageaccountname` of the secret",
            )
        return ObjectStoreConnection(
            kind="azure",
            bucket=str(where["container"]),
            prefix=str(where.get("relativePath") or ""),
            scheme=entry.type.lower(),
            endpoint=f"https://{account}.{blob_suffix(suffix)}",
            account=account,
            host=f"{account}.{suffix}",
            credentials={"account_key": key} if key else {},
            ca_pem=pick(credentials, "ca_file"),
        )


def blob_suffix(suffix: str) -> str:
    """`dfs.core.windows.net` -> `blob.core.windows.net`; a bare `windows.net`, as some write, too."""
    suffix = suffix.strip(".")
    if suffix in ("", "windows.net", "core.windows.net"):
        return "blob.core.windows.net"
    return "blob." + suffix.removeprefix("dfs.") if suffix.startswith("dfs.") else suffix
