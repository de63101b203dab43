import { useMutation, type UseMutationResult } from "@tanstack/react-query";

import { answer, api } from "@/api/client";
import type { operations } from "@/api/schema";
import { saveFile } from "./files";

export type Format = NonNullable<NonNullable<operations["queries_download"]["parameters"]["query"]>["format"]>;

/** Formats of answers as people know them. */
export const FORMATS: readonly (readonly [Format, string])[] = [
  ["csv", "CSV"],
  ["xlsx", "Excel"],
  ["json", "JSON"],
  ["jsonl", "JSON lines"],
  ["parquet", "Parquet"],
  ["arrow", "Arrow stream"],
];
const EXTENSIONS: Partial<Record<Format, string>> = { arrow: "arrows" };

/**
 * The answer of a statement as a file called `name`, where a policy lets the reader take rows along. It is fetched first
 * and then handed to the browser, so that a refusal is shown here.
 */
export function useDownload(id: string, name: string): UseMutationResult<void, Error, Format> {
  return useMutation({
    mutationFn: async (format: Format) => {
      const params = { path: { id }, query: { format } };
      const file: Blob = await answer(api.GET("/api/v1/queries/{id}/download", { params, parseAs: "blob" }));
      saveFile(file, `${name}.${EXTENSIONS[format] ?? format}`);
    },
  });
}
