import { Button, Checkbox, Group, Modal, Stack, Text, Textarea } from "@mantine/core";
import { IconKey } from "@tabler/icons-react";
import { useMutation, useQuery } from "@tanstack/react-query";
import { useState, type ReactElement } from "react";

import { answer, api } from "@/api/client";
import { problemsOf } from "@/api/failure";
import { ProblemList } from "@/components/ProblemList";
import { AskedAccess } from "./AskedAccess";
import { datasetsQuery, type Product } from "./queries";

/** A request for access, from writing why to the server's answer. */
export function AskAccess({ product }: { product: Product }): ReactElement | null {
  const [opened, setOpened] = useState(false);
  if (!product.refs.some(({ side }) => side === "input" || side === "output")) return null;
  return (
    <>
      <Button variant="default" leftSection={<IconKey size={16} aria-hidden />} onClick={() => setOpened(true)}>
        Ask for access
      </Button>
      <Modal
        opened={opened}
        onClose={() => setOpened(false)}
        title={`Ask for access to ${product.title}`}
        centered
        size="lg"
        closeButtonProps={{ "aria-label": "Close" }}
      >
        <AskForm product={product} onClose={() => setOpened(false)} />
      </Modal>
    </>
  );
}

function AskForm({ product, onClose }: { product: Product; onClose: () => void }): ReactElement {
  const [reason, setReason] = useState("");
  const [chosen, setChosen] = useState<string[]>([]);
  const { version, name } = product;
  const ask = useMutation({
    mutationFn: () => {
      const body = { reason: reason.trim(), datasets: chosen };
      return answer(
        api.POST("/api/v1/products/data/{version}/{name}/access-requests", {
          params: { path: { version, name } },
          body,
        }),
      );
    },
  });
  if (ask.data !== undefined) return <AskedAccess asked={ask.data} onClose={onClose} />;
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        ask.mutate();
      }}
    >
      <Stack>
        <Textarea
          label="What you need it for"
          description="Owner and developers of the product read this, and whoever decides."
          value={reason}
          onChange={(event) => setReason(event.currentTarget.value)}
          minRows={3}
          autosize
          maxLength={4000}
          required
          data-autofocus
        />
        <DatasetChoice name={name} chosen={chosen} onChange={setChosen} />
        {ask.error !== null && <ProblemList problems={problemsOf(ask.error)} />}
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            Cancel
          </Button>
          <Button type="submit" loading={ask.isPending} disabled={reason.trim() === ""}>
            Ask
          </Button>
        </Group>
      </Stack>
    </form>
  );
}

/** Which datasets: those whose names one may know. All outputs, also hidden ones, if none is chosen. */
function DatasetChoice(props: { name: string; chosen: string[]; onChange: (chosen: string[]) => void }): ReactElement {
  const { name, chosen, onChange } = props;
  const outputs = useQuery(datasetsQuery(name, "output"));
  const inputs = useQuery(datasetsQuery(name, "input"));
  const known = [...(outputs.data ?? []), ...(inputs.data ?? [])].flatMap(({ address, access }) =>
    address === null ? [] : [{ address, access }],
  );
  const unique = [...new Map(known.map((one) => [one.address, one])).values()];
  return (
    <Checkbox.Group
      label="Datasets"
      description="All outputs of the product, if you choose none."
      value={chosen}
      onChange={onChange}
    >
      <Stack gap="xs" mt="xs">
        {unique.map(({ address, access }) => (
          <Checkbox key={address} value={address} label={`${address} (now ${access})`} />
        ))}
        {unique.length === 0 && (
          <Text c="dimmed">You may not know their names yet: the request is for all outputs.</Text>
        )}
      </Stack>
    </Checkbox.Group>
  );
}
