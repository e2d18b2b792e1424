// Commands come in and events go out, a line of JSON each. The end of the input ends the process.

import { createInterface } from "node:readline";

export function tell(event) {
  process.stdout.write(JSON.stringify(event) + "\n");
}

// Errors of the SDKs are not always Error objects, and carry what matters in further fields.
function described(error) {
  const { status, body, type } = error ?? {};
  const more = status || body || type ? " " + JSON.stringify({ status, body, type }) : "";
  return `${error?.message ?? JSON.stringify(error)}${more}`;
}

export async function serve(commands, end = () => {}) {
  for await (const line of createInterface({ input: process.stdin })) {
    const { id, command, ...fields } = JSON.parse(line);
    // Not awaited: a command may wait for what a later one does.
    Promise.resolve()
      .then(() => commands[command](fields))
      .then(
        (result) => tell({ id, result: result ?? null }),
        (error) => tell({ id, error: described(error) }),
      );
  }
  await end();
  process.exit(0);
}
