import { formatDialect, trino } from "sql-formatter";

/** SQL laid out evenly. Throws where it is none. Loaded when it is first asked for. */
export const formatted = (sql: string): string =>
  formatDialect(sql, { dialect: trino, keywordCase: "upper", tabWidth: 2, linesBetweenQueries: 1 });
