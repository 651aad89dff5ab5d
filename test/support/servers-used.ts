import { appendFileSync } from 'node:fs';

/** Notes which server a run of the tests was made against, for the report at its end. */
export const noteServer = (kind: string, server: string): void => {
  const file = process.env['STEPWELL_TEST_SERVERS_FILE'];
  if (file !== undefined) appendFileSync(file, `${kind}: ${server}\n`);
};
