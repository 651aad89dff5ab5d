import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { testPostgres, type TestPostgres } from '../../../../test/support/postgres.js';
import { tagHash, versionHash } from '../run-lookups.js';
import { PLACES_A_RUN } from '../step-list-rows.js';
import { mergedSteps, stepListPlan } from '../step-list-statements.js';
import { at } from '../testing/histories.js';
import type { RunListQuery, StepListQuery } from '../view-store.js';
import { migrate } from './migrate.js';
import { LIST_SETTINGS, POSTGRES_LISTS, runListStatement, statementsOn } from './run-list-reader.js';
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
    // An outage: most of what is listed waits, for few targets, and much has failed.
    await client.query(`
      insert into ${set}.steps
      select n::bigint * ${PLACES_A_RUN} + 1, 'run' || n, 'w' || (n % 20), '1', 'default', 'default', 'a', 'a', 'step',
        case when n % 3 = 0 then 'failed' when n % 1000 = 1 then 'running' else 'waiting-retry' end, 'http://t' || (n % 50), 1,
        null, null, '2026-01-01T00:00:00.000Z', null, null, null
      from generate_series(1, ${RUNS}) as n`);
    await client.query(LIST_SETTINGS);
    await client.query(`analyze ${set}.runs, ${set}.steps, ${set}.run_lookups`);
  });

  afterAll(async () => {
    await client.end();
    await postgres.stop();
  });

  const plansOf = async (query: Partial<RunListQuery>): Promise<Plan[]> => {
    const statement = runListStatement(statementsOn(set), { ...NEWEST, ...query }, ALL)!;
    return explained(statement.sql, statement.parameters);
  };

  const explained = async (sql: string, parameters: readonly unknown[]): Promise<Plan[]> => {
    const { rows } = await client.query<{ 'QUERY PLAN': [{ Plan: Plan }] }>(`explain (format json) ${sql}`, [
      ...parameters,
    ]);
    const nodes = (plan: Plan): Plan[] => [plan, ...(plan.Plans ?? []).flatMap(nodes)];
    return nodes(rows[0]!['QUERY PLAN'][0].Plan);
  };

  const stepPlansOf = async (query: Partial<StepListQuery>): Promise<Plan[]> => {
    const asked: StepListQuery = { ...NEWEST, ...query };
    const plan = stepListPlan(statementsOn(set), POSTGRES_LISTS, asked, Number.MAX_SAFE_INTEGER);
    if (plan.by !== 'index') throw new Error(`read by ${plan.by}`);
    const { sql, parameters } = mergedSteps(statementsOn(set), plan, asked.order);
    return explained(sql, parameters);
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
    ['a requestor', { requestor: 'ann' }, ['run_lookups_pkey', 'runs_pkey']],
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

  const stepCases: [string, Partial<StepListQuery>, string[]][] = [
    ['a status', { statuses: ['waiting-retry'] }, ['steps_by_status']],
    ['a status, oldest first', { statuses: ['waiting-retry'], order: 'asc' }, ['steps_by_status']],
    ['statuses', { statuses: ['failed', 'running'] }, ['steps_by_status', 'steps_by_status']],
    ['a status and a workflow', { statuses: ['failed'], workflow: 'w3' }, ['steps_by_workflow']],
    ['a status and a target', { statuses: ['failed'], target: 'http://t3' }, ['steps_by_target']],
    ['a rare status and a target', { statuses: ['running'], target: 'http://t3' }, ['steps_by_target']],
    ['a target that is none', { statuses: ['failed'], target: 'http://none', from: at(0) }, ['steps_by_target']],
  ];
  it.each(stepCases)('of steps by %s reads its index in order', async (_, query, indexes) => {
    const plans = await stepPlansOf(query);
    const used = plans.flatMap((plan) => plan['Index Name'] ?? []);
    expect(used).toEqual(indexes);
    const slow = used.length > 1 ? /^(Seq|Bitmap)/ : /^(Seq|Bitmap|Sort|Incremental)/;
    expect(plans.map((plan) => plan['Node Type']).filter((node) => slow.test(node))).toEqual([]);
  });
});
