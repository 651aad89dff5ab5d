import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import Database from 'better-sqlite3';
import { Kysely, SqliteDialect } from 'kysely';
import { runListPlan } from '../run-list-statements.js';
import type { ViewsSchema } from '../run-list-tables.js';
import { at } from '../testing/histories.js';
import { runListContract } from '../testing/run-list-contract.js';
import { openSqliteViews } from '../testing/sqlite-test-views.js';
import { stepListPlan } from '../step-list-statements.js';
import type { RunListQuery, StepListQuery } from '../view-store.js';
import { migrate } from './migrate.js';
import { SQLITE_LISTS, STEP_IDEMPOTENCY_KEY, bucketStatement } from './run-list-reader.js';

const NEWEST = { order: 'desc', limit: 100 } as const;

runListContract('SQLite', openSqliteViews, 40);

describe('a list in SQLite is read by', () => {
  const database = new Database(':memory:');
  const db = new Kysely<ViewsSchema>({ dialect: new SqliteDialect({ database }) });
  beforeAll(async () => {
    database.function(STEP_IDEMPOTENCY_KEY, (a, b) => `${String(a)}${String(b)}`);
    await migrate(db);
  });
  afterAll(() => void database.close());

  const plansOf = (query: Partial<RunListQuery>): string[] => {
    const full: RunListQuery = { ...NEWEST, ...query };
    const asked = { range: { min: 1, max: 100_000 }, rows: 51 };
    const plan = runListPlan(db, SQLITE_LISTS, full, asked);
    if (plan.by === 'nothing') return [];
    const statements =
      plan.by === 'index'
        ? plan.queries.map((one) => one.compile())
        : [bucketStatement(db, full, { ...asked, hash: plan.hash })];
    return statements.flatMap(({ sql, parameters }) =>
      (database.prepare(`explain query plan ${sql}`).all(...parameters) as { detail: string }[]).map(
        ({ detail }) => detail,
      ),
    );
  };
  const LOOKUP = [
    'SEARCH run_lookups USING PRIMARY KEY (bucket=? AND hash=? AND seq>? AND seq<?)',
    'SEARCH runs USING INTEGER PRIMARY KEY (rowid=?)',
  ];
  const byIndex = (index: string): string =>
    `SEARCH runs USING INDEX runs_by_${index} (${index}=? AND rowid>? AND rowid<?)`;
  const cases: [string, Partial<RunListQuery>, string[]][] = [
    ['nothing but order', {}, ['SEARCH runs USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)']],
    [
      'nothing but order, oldest first',
      { order: 'asc' },
      ['SEARCH runs USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)'],
    ],
    ['creation', { from: at(0), to: at(9) }, ['SEARCH runs USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)']],
    ['status', { statuses: ['failed'] }, [byIndex('status')]],
    ['statuses', { statuses: ['failed', 'running'], workflow: 'w' }, [byIndex('status'), byIndex('status')]],
    ['workflow', { workflow: 'w', statuses: ['completed'], namespace: 'n' }, [byIndex('workflow')]],
    ['workflow and version', { workflow: 'w', version: 3 }, LOOKUP],
    ['namespace', { namespace: 'n' }, [byIndex('namespace')]],
    ['queue', { queue: 'q', namespace: 'n' }, [byIndex('queue')]],
    ['key', { key: 'k', workflow: 'w' }, LOOKUP],
    ['correlation id', { correlationId: 'c', statuses: ['failed'] }, LOOKUP],
    ['requestor', { requestor: 'ann', workflow: 'w' }, LOOKUP],
    ['step key', { stepKey: 'a'.repeat(52) }, LOOKUP],
    [
      'unresolved',
      { resolved: false, workflow: 'w', statuses: ['completed', 'failed'] },
      ['SEARCH runs USING INDEX runs_unresolved (resolved=? AND rowid>? AND rowid<?)'],
    ],
    ['unresolved of one status', { resolved: false, statuses: ['failed'] }, [byIndex('status')]],
    ['resolved', { resolved: true }, ['SEARCH runs USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)']],
    ['resolved of a workflow', { resolved: true, workflow: 'w' }, [byIndex('workflow')]],
  ];
  it.each(cases)('%s', (_, query, expected) => {
    expect(plansOf(query)).toEqual(expected);
  });

  const stepPlansOf = (query: Partial<StepListQuery>): string[] => {
    const plan = stepListPlan(db, SQLITE_LISTS, { ...NEWEST, ...query }, 100_000);
    if (plan.by !== 'index') return [];
    return plan.queries.flatMap((one) => {
      const { sql, parameters } = one.compile();
      return (database.prepare(`explain query plan ${sql}`).all(...parameters) as { detail: string }[]).map(
        ({ detail }) => detail,
      );
    });
  };
  const STEPS_BY_STATUS = 'SEARCH steps USING INDEX steps_by_status (<expr>=? AND rowid>? AND rowid<?)';
  const stepsBy = (column: string): string =>
    `SEARCH steps USING INDEX steps_by_${column} (status=? AND ${column}=? AND rowid>? AND rowid<?)`;
  const stepCases: [string, Partial<StepListQuery>, string[]][] = [
    ['status', { statuses: ['failed'] }, [STEPS_BY_STATUS]],
    ['status, oldest first', { statuses: ['failed'], order: 'asc' }, [STEPS_BY_STATUS]],
    ['statuses', { statuses: ['failed', 'running'], namespace: 'n' }, [STEPS_BY_STATUS, STEPS_BY_STATUS]],
    ['status and workflow', { statuses: ['failed'], workflow: 'w', from: at(0) }, [stepsBy('workflow')]],
    ['status and target', { statuses: ['waiting-retry'], target: 'http://x' }, [stepsBy('target')]],
    ['all of them', { statuses: ['failed'], workflow: 'w', target: 'http://x' }, [stepsBy('target')]],
  ];
  it.each(stepCases)('of steps: %s', (_, query, expected) => {
    expect(stepPlansOf(query)).toEqual(expected);
  });

  it('tag', () => {
    expect(plansOf({ tags: [{ name: 'a', value: 'b' }], namespace: 'n' }).slice(0, 2)).toEqual(LOOKUP);
  });
});
