import type { DatabaseError } from 'pg';

/** Postgres cannot be reached, or does not take connections yet: it may later. */
export class PostgresUnreachable extends Error {
  readonly code = 'postgres-unreachable';
  readonly retryable = true;
}

/** Postgres refuses us, or is too old: asking again has the same answer. */
export class PostgresUnsuitable extends Error {
  readonly code = 'postgres-unsuitable';
  readonly retryable = false;
}

/** The oldest that its makers mend. */
const OLDEST = 14;
const CONNECT_WITHIN_MS = 5_000;
/**
 * Of Node: the machine or its name cannot be found, or nobody listens. Of Postgres: it starts or stops, all connections are
 * taken, or the connection broke.
 */
const PASSING =
  /^(E(CONNREFUSED|CONNRESET|CONNABORTED|PIPE|TIMEDOUT|HOSTUNREACH|NETUNREACH|HOSTDOWN|AI_AGAIN)|ENOTFOUND|57P0[123]|53...|08...)$/;
/** What the driver says without a code. */
const PASSING_WORDS = /timeout|terminated/i;

/** Resolves when the database takes connections. Rejects with `PostgresUnreachable`, or with `PostgresUnsuitable`. */
export const postgresAnswers = async (url: string): Promise<void> => {
  const { Client } = (await import('pg')).default;
  let client: InstanceType<typeof Client> | null = null;
  try {
    client = new Client({
      connectionString: url,
      application_name: 'stepwell start',
      connectionTimeoutMillis: CONNECT_WITHIN_MS,
      query_timeout: CONNECT_WITHIN_MS,
    });
    // What breaks the connection is told by the question that is under way.
    client.on('error', () => {});
    await client.connect();
    refuseOld((await client.query<{ server_version: string }>('show server_version')).rows[0]!.server_version);
  } catch (cause) {
    if (cause instanceof PostgresUnsuitable) throw cause;
    const { code = '', message } = cause as Partial<DatabaseError>;
    const reason = message === undefined || message === '' ? code : message;
    if (PASSING.test(code) || (code === '' && PASSING_WORDS.test(reason))) {
      throw new PostgresUnreachable(`cannot reach Postgres at ${hostOf(url)}: ${reason}`, { cause });
    }
    throw new PostgresUnsuitable(`Postgres at ${hostOf(url)} refuses STEPWELL_VIEWS_URL: ${reason}`, { cause });
  } finally {
    await client?.end().catch(() => {});
  }
};

const refuseOld = (version: string): void => {
  if (Number.parseInt(version, 10) < OLDEST)
    throw new PostgresUnsuitable(`Postgres ${version} is too old: ${OLDEST} is the oldest that serves`);
};

/** Without the password. */
const hostOf = (url: string): string => (URL.canParse(url) ? new URL(url).host : 'an address that is not understood');
