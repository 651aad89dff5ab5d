import { openSqliteViews } from '../testing/sqlite-test-views.js';
import { stepListContract } from '../testing/step-list-contract.js';

stepListContract('SQLite', openSqliteViews, 60);
