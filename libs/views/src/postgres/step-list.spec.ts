import { afterAll, beforeAll } from '@jest/globals';
import { testPostgres, type TestPostgres } from '../../../../test/support/postgres.js';
import { openPostgresViews } from '../testing/postgres-test-views.js';
import { stepListContract } from '../testing/step-list-contract.js';

let postgres: TestPostgres;
beforeAll(async () => void (postgres = await testPostgres('postgres step-list.spec')));
afterAll(() => postgres.stop());

stepListContract(
  'Postgres',
  openPostgresViews(() => postgres.url),
  15,
);
