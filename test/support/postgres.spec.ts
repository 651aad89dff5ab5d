import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { testPostgres, type TestPostgres } from './postgres.js';

const ask = async (url: string, statement: string): Promise<Record<string, unknown>[]> => {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(statement)).rows;
  } finally {
    await client.end();
  }
};

describe('the Postgres of the tests', () => {
  let one: TestPostgres;
  let two: TestPostgres;
  beforeAll(async () => {
    [one, two] = await Promise.all([testPostgres('postgres.spec one'), testPostgres('postgres.spec two')]);
  });
  afterAll(async () => void (await Promise.all([one.stop(), two.stop()])));

  it('gives each test a database of its own', async () => {
    await ask(one.url, 'create table mine (x int)');
    expect(await ask(two.url, `select to_regclass('mine') as found`)).toEqual([{ found: null }]);
  });

  it('is one that keeps what it has committed', async () => {
    const [settings] = await ask(
      one.url,
      `select current_setting('fsync') as fsync, current_setting('synchronous_commit') as synchronous,
         current_setting('full_page_writes') as pages, current_setting('server_version_num')::int >= 140000 as known`,
    );
    expect(settings).toEqual({ fsync: 'on', synchronous: 'on', pages: 'on', known: true });
  });

  it('takes the database away at the end, whoever is still connected', async () => {
    const third = await testPostgres('postgres.spec three');
    const client = new pg.Client({ connectionString: third.url });
    const ended = new Promise((resolve) => client.once('end', resolve));
    client.on('error', () => {});
    await client.connect();
    await third.stop();
    await ended;
    await expect(ask(third.url, 'select 1')).rejects.toThrow('does not exist');
  });
});
