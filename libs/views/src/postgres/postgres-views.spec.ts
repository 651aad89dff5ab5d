import { afterAll, beforeAll } from '@jest/globals';
import { testPostgres, type TestPostgres } from '../../../../test/support/postgres.js';
import { openPostgresViews } from '../testing/postgres-test-views.js';
import { viewsContract } from '../testing/views-contract.js';

let postgres: TestPostgres;
beforeAll(async () => void (postgres = await testPostgres('postgres-views.spec')));
afterAll(() => postgres.stop());

viewsContract(
  'Postgres',
  openPostgresViews(() => postgres.url),
  25,
);
