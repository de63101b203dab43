import { SQLDialect } from "@codemirror/lang-sql";

/** Words of Trino's grammar that people write. Source: Trino's documentation, reserved and other keywords. */
const KEYWORDS =
  "add all alter analyze and any array as asc at authorization between both by call cascade case cast catalog catalogs " +
  "check column columns comment commit constraint create cross cube current current_catalog current_date current_schema " +
  "current_time current_timestamp current_user data deallocate default define delete desc describe distinct distributed " +
  "drop else end escape except excluding execute exists explain extract false fetch filter first following for format " +
  "from full function functions grant group grouping groups having if ignore in including inner input insert intersect " +
  "interval into io is isolation join last lateral left level like limit localtime localtimestamp logical map " +
  "match_recognize materialized measures merge natural next no not null nulls of offset on only or order ordinality " +
  "outer output over overflow partition pattern policy preceding prepare properties range recursive rename replace " +
  "reset respect restrict revoke right rollback rollup row rows schema schemas select serializable session set sets " +
  "show some start stats subset substring system table tables tablesample then timestamp to transaction trim true " +
  "truncate try_cast type unbounded union unnest update use user using validate values verbose version view when where " +
  "window with within without work year month day hour minute second zone time";
const TYPES =
  "bigint boolean char date decimal double integer int ipaddress json real smallint tinyint uuid varbinary varchar";

/** SQL as the gateway takes it: the nearest that the editor knows to Trino's. */
export const trino = SQLDialect.define({
  keywords: KEYWORDS,
  types: TYPES,
  operatorChars: "*+-%<>!=&|^/~",
  specialVar: "?",
  identifierQuotes: '"',
  caseInsensitiveIdentifiers: false,
});
