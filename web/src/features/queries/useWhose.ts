import { useMe } from "@/app/me";

/** Whose statements are shown: as the address says, else those of all users to who may see them. */
export function useWhose(wanted: "all" | "mine" | undefined): "all" | "mine" {
  const me = useMe();
  return wanted ?? (me.may.has("read-query-history") ? "all" : "mine");
}
