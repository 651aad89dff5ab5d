import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { testPostgres, type TestPostgres } from '../../../../test/support/postgres.js';
import { tagHash, versionHash } from '../run-lookups.js';
import { at } from '../testing/histories.js';
import type { RunListQuery } from '../view-store.js';
import { migrate } from './migrate.js';
import { LIST_SETTINGS, runListStatement, statementsOn } from './run-list-reader.js';
import { connectionOptions } from './session.js';

const RUNS = 100_000;
const NEWEST = { order: 'desc', limit: 50 } as const;
const ALL = { min: 1, max: Number.MAX_SAFE_INTEGER };

type Plan = { 'Node Type': string; 'Index Name'?: string; 'Relation Name'?: string; Plans?: Plan[] };

describe('a list of 100,000 runs in Postgres', () => {
  let postgres: TestPostgres;
  let client: pg.Client;
  let set: string;

  beforeAll(async () => {
    postgres = await testPostgres('list-plans.spec');
    client = new pg.Client(connectionOptions(postgres.url));
    await client.connect();
    set = await migrate(client);
    // As a service that has run for a while: nearly all have completed, some workflows are rare.
    await client.query(`
      insert into ${set}.runs
      select n, 'run' || n, 'run' || n, 'key' || n, 'w' || (n % 20), '1', case when n % 50 = 0 then 'staging' else 'default' end,
        case when n % 10 = 0 then 'bulk' else 'default' end, '{"team":"t' || (n % 10) || '"}', 'c' || (n / 3), null,
        '2026-01-01T00:00:00.000Z', n, case when n % 1000 = 0 then 'failed' when n > ${RUNS} - 100 then 'running' else 'completed' end,
        null, null, null, null, case when n % 1000 = 0 then 0 else 1 end, 17
      from generate_series(1, ${RUNS}) as n`);
    await client.query(
      `insert into ${set}.run_lookups select h, n, null from generate_series(1::bigint, ${RUNS}) as n,
       lateral (values (n * 1000003), ($1::bigint + n % 10), ($2::bigint + n % 20)) as hashes (h)`,
      [tagHash('team', 't0'), versionHash('w0', '1')],
    );
    await client.query(LIST_SETTINGS);
    await client.query(`analyze ${set}.runs, ${set}.run_lookups`);
  });

  afterAll(async () => {
    await client.end();
    await postgres.stop();
  });

  const plansOf = async (query: Partial<RunListQuery>): Promise<Plan[]> => {
    const statement = runListStatement(statementsOn(set), { ...NEWEST, ...query }, ALL)!;
    const { rows } = await client.query<{ 'QUERY PLAN': [{ Plan: Plan }] }>(`explain (format json) ${statement.sql}`, [
      ...statement.parameters,
    ]);
    const nodes = (plan: Plan): Plan[] => [plan, ...(plan.Plans ?? []).flatMap(nodes)];
    return nodes(rows[0]!['QUERY PLAN'][0].Plan);
  };

  const cases: [string, Partial<RunListQuery>, string[]][] = [
    ['nothing but order', {}, ['runs_pkey']],
    ['nothing but order, oldest first', { order: 'asc' }, ['runs_pkey']],
    ['a status', { statuses: ['failed'] }, ['runs_by_status']],
    ['statuses', { statuses: ['failed', 'running'] }, ['runs_by_status', 'runs_by_status']],
    ['a workflow', { workflow: 'w3' }, ['runs_by_workflow']],
    ['a workflow and version', { workflow: 'w0', version: 1 }, ['run_lookups_pkey', 'runs_pkey']],
    ['a namespace', { namespace: 'staging' }, ['runs_by_namespace']],
    ['a queue', { queue: 'bulk' }, ['runs_by_queue']],
    ['a key', { key: 'key 1' }, ['run_lookups_pkey', 'runs_pkey']],
    ['a correlation id', { correlationId: 'c' }, ['run_lookups_pkey', 'runs_pkey']],
    ['a tag', { tags: [{ name: 'team', value: 't0' }] }, ['run_lookups_pkey', 'runs_pkey']],
    ['a step key', { stepKey: 'a'.repeat(52) }, ['run_lookups_pkey', 'runs_pkey']],
    ['what is unresolved', { resolved: false }, ['runs_unresolved']],
    ['a time', { from: at(0), to: at(9) }, ['runs_pkey']],
  ];
  it.each(cases)('by %s reads its index in order', async (_, query, indexes) => {
    const plans = await plansOf(query);
    const used = plans.flatMap((plan) => plan['Index Name'] ?? []);
    expect(used).toEqual(indexes);
    // What is merged of several statuses is sorted, at most a page of each.
    const slow = used.length > 1 && query.statuses !== undefined ? /^(Seq|Bitmap)/ : /^(Seq|Bitmap|Sort|Incremental)/;
    expect(plans.map((plan) => plan['Node Type']).filter((node) => slow.test(node))).toEqual([]);
  });
});
