import { afterAll, beforeAll } from '@jest/globals';
import { testPostgres, type TestPostgres } from '../../../../test/support/postgres.js';
import { archivedRunsContract } from '../testing/archived-runs-contract.js';
import { openPostgresViews } from '../testing/postgres-test-views.js';

let postgres: TestPostgres;
beforeAll(async () => void (postgres = await testPostgres('postgres archived-runs.spec')));
afterAll(() => postgres.stop());

archivedRunsContract(
  'Postgres',
  openPostgresViews(() => postgres.url),
);
