/** A way to read a dataset from outside, ready to run but for the key. */
export interface Snippet {
  title: string;
  about: string;
  code: string;
}

/** Text that a POSIX shell takes as it is. */
export const shellQuoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

/** How to ask a statement of this server: by HTTP, from Python, by the command line. `user`: the reader's id. */
export function snippetsOf(url: string, user: string, sql: string): Snippet[] {
  const line = sql.replaceAll("\n", " ");
  return [
    {
      title: "HTTP",
      about:
        "JSON with columns and rows. With the header Accept: application/vnd.apache.arrow.stream: an Arrow stream.",
      code: [
        `curl -s ${shellQuoted(`${url}/api/v1/query`)} \\`,
        `  -H "Authorization: Bearer $APIKEY" \\`,
        `  -H 'Content-Type: application/json' \\`,
        `  -d ${shellQuoted(JSON.stringify({ sql: line }))}`,
      ].join("\n"),
    },
    {
      title: "Python",
      about: "An Arrow table, which pandas and Polars take. Needs the packages dataos and pyarrow.",
      code: [
        "import pyarrow as pa",
        "from dataos.client import Client, find_connection",
        "",
        "client = Client(find_connection())  # DATAOS_FQDN and APIKEY of the environment, or your login",
        `answer = client.query(${JSON.stringify(line)}, accept="application/vnd.apache.arrow.stream")`,
        "table = pa.ipc.open_stream(answer.read()).read_all()",
      ].join("\n"),
    },
    {
      title: "Command line",
      about: "A table; -O csv, json or parquet with -o FILE: a file.",
      code: [
        `export DATAOS_FQDN=${shellQuoted(url)} USER_ID=${shellQuoted(user)} APIKEY=...`,
        `dataos query ${shellQuoted(line)}`,
      ].join("\n"),
    },
  ];
}
