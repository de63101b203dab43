import { ActionIcon, Button, Group, Modal, Stack, Text, TextInput } from "@mantine/core";
import { IconTrash } from "@tabler/icons-react";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState, type ReactElement } from "react";

import { answer, api } from "@/api/client";
import { problemsOf } from "@/api/failure";
import { ErrorState } from "@/components/ErrorState";
import { ProblemList } from "@/components/ProblemList";
import { Skeletons } from "@/components/Skeletons";
import { tagsQuery } from "./tagQueries";

interface Props {
  asset: string;
  product: string;
  onClose: () => void;
}

/** Tags of a dataset or column, who gave each, and how to give and take them. Policies go by tags. */
export function TagsDialog({ asset, product, onClose }: Props): ReactElement {
  const [text, setText] = useState("");
  const queries = useQueryClient();
  const { data, error, refetch } = useQuery(tagsQuery(asset));
  const refresh = async (): Promise<void> => {
    await Promise.all([
      queries.invalidateQueries({ queryKey: tagsQuery(asset).queryKey }),
      queries.invalidateQueries({ queryKey: ["product", product] }),
    ]);
  };
  const give = useMutation({
    mutationFn: (tagFqn: string) =>
      answer(api.PUT("/api/v1/asset-tags", { body: { assetFqn: asset, tagFqn, assetType: "", groupId: "" } })),
    onSuccess: () => {
      setText("");
      return refresh();
    },
  });
  const take = useMutation({
    mutationFn: (tagFqn: string) =>
      answer(api.DELETE("/api/v1/asset-tags", { params: { query: { assetFqn: asset, tagFqn } } })),
    onSuccess: refresh,
  });
  const failed = give.error ?? take.error;
  const [address = "", column] = asset.split("#");
  const own = (data ?? []).filter(({ assetFqn }) => column !== undefined || assetFqn === address);
  return (
    <Modal
      opened
      onClose={onClose}
      title={`Tags of ${column ?? address}`}
      centered
      closeButtonProps={{ "aria-label": "Close" }}
    >
      <Stack>
        <Text size="sm" c="dimmed">
          Policies go by tags: giving or taking one may change who sees what.
        </Text>
        {error !== null && <ErrorState error={error} title="Tags cannot be shown" onRetry={() => void refetch()} />}
        {data === undefined && error === null && <Skeletons rows={2} />}
        {data !== undefined && own.length === 0 && <Text c="dimmed">It has no tags.</Text>}
        {own.map(({ tagFqn, source }) => (
          <Group key={`${tagFqn} ${source}`} justify="space-between" wrap="nowrap">
            <Text>
              {tagFqn}{" "}
              <Text span size="sm" c="dimmed">
                ({source})
              </Text>
            </Text>
            <ActionIcon
              variant="default"
              aria-label={`Take ${tagFqn} off`}
              loading={take.isPending && take.variables === tagFqn}
              onClick={() => take.mutate(tagFqn)}
            >
              <IconTrash size={16} aria-hidden />
            </ActionIcon>
          </Group>
        ))}
        <form
          onSubmit={(event) => {
            event.preventDefault();
            give.mutate(text.trim());
          }}
        >
          <Group align="flex-end" gap="xs">
            <TextInput
              label="New tag"
              description="Group.Tag, for instance PII.Email"
              value={text}
              onChange={(event) => setText(event.currentTarget.value)}
              maxLength={400}
              flex={1}
              data-autofocus
            />
            <Button type="submit" loading={give.isPending} disabled={text.trim() === ""}>
              Give
            </Button>
          </Group>
        </form>
        {failed !== null && <ProblemList problems={problemsOf(failed)} />}
        {failed === null && give.data !== undefined && give.data.warnings.length > 0 && (
          <ProblemList problems={give.data.warnings} tone="warn" />
        )}
      </Stack>
    </Modal>
  );
}
