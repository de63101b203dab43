import { Autocomplete, Button, Group, Stack, TextInput } from "@mantine/core";
import { IconLockQuestion, IconSearch } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useState, type ReactElement, type SyntheticEvent } from "react";

import { useMe } from "@/app/me";
import { EmptyState } from "@/components/EmptyState";
import { PageHeader } from "@/components/PageHeader";
import { Surface } from "@/components/Surface";
import { AsyncPart } from "../shared/AsyncPart";
import type { ExplainSearch } from "../routes";
import { usersQuery } from "../shared/queries";
import { Explanation } from "./Explanation";
import { explainQuery } from "./queries";

const PREDICATES = ["read", "select", "write", "create", "update", "delete", "get", "post", "put", "execute"];

/** Governance > Explain: may somebody do that, which policy decides, and what is seen. */
export default function ExplainPage(): ReactElement {
  const search = useSearch({ from: "/shell/governance/explain" });
  const query = useQuery(explainQuery(search));
  return (
    <>
      <PageHeader
        title="Explain"
        description="Why somebody may do something, or not: every policy that matches, the one that decides, and what is seen of each column"
      />
      <Stack>
        <Question
          key={JSON.stringify(search)}
          asked={search}
          busy={query.isFetching}
          onAgain={() => void query.refetch()}
        />
        {search.object === undefined ? (
          <EmptyState icon={<IconLockQuestion />} title="Ask about a dataset, a path or a tag">
            For instance <code>dataos://lakehouse:retail/customers</code>, one of its columns with <code>#email</code>{" "}
            behind it, <code>/stores/api/v1</code>, or <code>dataos:resource:depot</code>.
          </EmptyState>
        ) : (
          <AsyncPart query={query} failed="This cannot be explained">
            {(found) => <Explanation found={found} />}
          </AsyncPart>
        )}
      </Stack>
    </>
  );
}

interface QuestionProps {
  asked: ExplainSearch;
  busy: boolean;
  onAgain: () => void;
}

/** What to ask; it stands in the address once it is asked. */
function Question({ asked, busy, onAgain }: QuestionProps): ReactElement {
  const me = useMe();
  const navigate = useNavigate({ from: "/governance/explain" });
  const users = useQuery(usersQuery);
  const [user, setUser] = useState(asked.user ?? me.user.id);
  const [predicate, setPredicate] = useState(asked.predicate ?? "read");
  const [object, setObject] = useState(asked.object ?? "");
  const submit = (event: SyntheticEvent): void => {
    event.preventDefault();
    const wanted = { user: user.trim(), predicate: predicate.trim(), object: object.trim() };
    const same = wanted.user === asked.user && wanted.predicate === asked.predicate && wanted.object === asked.object;
    if (same) onAgain();
    else void navigate({ search: wanted });
  };
  return (
    <Surface label="Question">
      <form onSubmit={submit}>
        <Group align="flex-end" gap="sm">
          <Autocomplete
            label="User"
            required
            data={(users.data ?? []).map((one) => one.id)}
            value={user}
            onChange={setUser}
            w={180}
          />
          <Autocomplete label="wants to" required data={PREDICATES} value={predicate} onChange={setPredicate} w={150} />
          <TextInput
            label="Address, path or tag"
            required
            placeholder="dataos://depot:collection/dataset"
            value={object}
            onChange={(event) => setObject(event.currentTarget.value)}
            flex="1 1 320px"
          />
          <Button type="submit" loading={busy} leftSection={<IconSearch size={16} aria-hidden />}>
            Explain
          </Button>
        </Group>
      </form>
    </Surface>
  );
}
