import { afterAll, beforeAll } from '@jest/globals';
import { testPostgres, type TestPostgres } from '../../../../test/support/postgres.js';
import { openPostgresViews } from '../testing/postgres-test-views.js';
import { runListContract } from '../testing/run-list-contract.js';

let postgres: TestPostgres;
beforeAll(async () => void (postgres = await testPostgres('postgres run-list.spec')));
afterAll(() => postgres.stop());

runListContract(
  'Postgres',
  openPostgresViews(() => postgres.url),
  15,
);
