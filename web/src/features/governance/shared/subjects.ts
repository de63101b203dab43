const ROLE = "roles:id:";
const USER = "users:id:";

/** The role of a tag; undefined for a tag that is none. Deeper forms (`roles:id:a:b`) are tags of their owners. */
export function roleOf(tag: string): string | undefined {
  const rest = tag.startsWith(ROLE) ? tag.slice(ROLE.length) : "";
  return rest === "" || rest.includes(":") || isPattern(rest) ? undefined : rest;
}

/** The user of a tag; undefined for a tag that is none. */
export function userOf(tag: string): string | undefined {
  const rest = tag.startsWith(USER) ? tag.slice(USER.length) : "";
  return rest === "" || rest.includes(":") || isPattern(rest) ? undefined : rest;
}

export const tagOfRole = (role: string): string => ROLE + role;
export const tagOfUser = (user: string): string => USER + user;

/** Roles among tags, without what all of them begin with. */
export const rolesIn = (tags: readonly string[]): string[] => tags.flatMap((tag) => roleOf(tag) ?? []);

/** Tags that are neither a role nor the user's own id. */
export const plainTags = (tags: readonly string[]): string[] =>
  tags.filter((tag) => roleOf(tag) === undefined && userOf(tag) === undefined);

/** Groups of tags as words: all of one group, or all of another. */
export const inWords = (groups: readonly (readonly string[])[]): string =>
  groups.map((group) => group.join(" and ")).join(", or ");

const isPattern = (text: string): boolean => /[*?[\]{}\\]/.test(text);
