import { Autocomplete, Button, Group, Select, TextInput } from "@mantine/core";
import { IconSearch } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState, type ReactElement, type SyntheticEvent } from "react";

import { usersQuery } from "../shared/queries";
import type { AuditSearch } from "../routes";

const DECISIONS = [
  { value: "", label: "Any" },
  { value: "allowed", label: "Allowed" },
  { value: "refused", label: "Refused" },
];

/** What to look for; it stands in the address once it is looked for. */
export function AuditFilters({ search }: { search: AuditSearch }): ReactElement {
  const navigate = useNavigate({ from: "/governance/audit" });
  const users = useQuery(usersQuery);
  const [wanted, setWanted] = useState(search);
  const set = (part: AuditSearch): void => setWanted({ ...wanted, ...part });
  const submit = (event: SyntheticEvent): void => {
    event.preventDefault();
    void navigate({ search: { ...wanted, row: undefined } });
  };
  const some = (text: string): string | undefined => (text.trim() === "" ? undefined : text.trim());
  return (
    <form onSubmit={submit} role="search" aria-label="Rows of the audit">
      <Group align="flex-end" gap="xs">
        <Autocomplete
          label="Actor"
          data={(users.data ?? []).map((user) => user.id)}
          value={wanted.actor ?? ""}
          onChange={(actor) => set({ actor: some(actor) })}
          w={130}
        />
        <TextInput
          label="Action"
          placeholder="query, grant.*"
          value={wanted.action ?? ""}
          onChange={(event) => set({ action: some(event.currentTarget.value) })}
          w={130}
        />
        <TextInput
          label="Part of the object"
          value={wanted.object ?? ""}
          onChange={(event) => set({ object: some(event.currentTarget.value) })}
          flex="1 1 180px"
        />
        <Select
          label="Decision"
          data={DECISIONS}
          value={wanted.decision ?? ""}
          allowDeselect={false}
          onChange={(value) => set({ decision: value === "allowed" || value === "refused" ? value : undefined })}
          w={110}
        />
        <TextInput
          label="From"
          type="date"
          value={wanted.since ?? ""}
          onChange={(event) => set({ since: some(event.currentTarget.value) })}
          w={140}
        />
        <TextInput
          label="To"
          type="date"
          value={wanted.until ?? ""}
          onChange={(event) => set({ until: some(event.currentTarget.value) })}
          w={140}
        />
        <Button type="submit" variant="default" leftSection={<IconSearch size={16} aria-hidden />}>
          Look
        </Button>
        <Button variant="subtle" onClick={() => void navigate({ search: {} })}>
          Clear
        </Button>
      </Group>
    </form>
  );
}
