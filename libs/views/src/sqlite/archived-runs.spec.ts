import { archivedRunsContract } from '../testing/archived-runs-contract.js';
import { openSqliteViews } from '../testing/sqlite-test-views.js';

archivedRunsContract('SQLite', openSqliteViews);
