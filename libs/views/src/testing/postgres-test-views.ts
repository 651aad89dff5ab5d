import pg from 'pg';
import { connectionOptions } from '../postgres/session.js';
import { PostgresViewStore } from '../postgres/postgres-view-store.js';
import { setName } from '../postgres/views-schema.js';
import type { OpenViews } from './test-views.js';

/** Calls with a connection. */
export const withClient = async <Result>(
  url: string,
  call: (client: pg.Client) => Promise<Result>,
): Promise<Result> => {
  const client = new pg.Client(connectionOptions(url));
  await client.connect();
  try {
    return await call(client);
  } finally {
    await client.end();
  }
};

/** Every column of every row of every table of a set. */
export const dumpPostgres = (url: string, set = setName(1)): Promise<Record<string, unknown[]>> =>
  withClient(url, (client) => dumpOver(client, set));

const dumpOver = async (client: pg.Client, set: string): Promise<Record<string, unknown[]>> => {
  const { rows } = await client.query<{ name: string }>(
    `select table_name as name from information_schema.tables where table_schema = $1 order by 1`,
    [set],
  );
  const tables: Record<string, unknown[]> = {};
  for (const { name } of rows) {
    const found = await client.query(`select * from ${set}.${name} as t order by t::text collate "C"`);
    tables[name] = found.rows;
  }
  return tables;
};

/** The views of that database, emptied. */
export const openPostgresViews =
  (url: () => string): OpenViews =>
  async () => {
    let views = new PostgresViewStore(url());
    await views.start();
    const set = setName(1);
    const client = new pg.Client(connectionOptions(url()));
    await client.connect();
    await client.query(
      `delete from ${set}.runs; delete from ${set}.steps; delete from ${set}.run_lookups; delete from ${set}.run_buckets;
       delete from ${set}.parked_streams; update ${set}.checkpoint set position = -1, last_seq = 0`,
    );
    return {
      checkpoint: () => views.checkpoint(),
      apply: (batch) => views.apply(batch),
      listRuns: (query) => views.listRuns(query),
      listSteps: (query) => views.listSteps(query),
      parked: () => views.parked(),
      reopen: async () => {
        await views.stop();
        views = new PostgresViewStore(url());
        await views.start();
      },
      dump: () => dumpOver(client, set),
      close: async () => {
        await Promise.all([views.stop(), client.end()]);
      },
    };
  };
