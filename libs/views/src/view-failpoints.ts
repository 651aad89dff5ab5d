import { failpoint } from '#runtime';

// The places of a batch, in every store of views.

export const beforeRows = failpoint('views.before-rows', 'The transaction of a batch is open, nothing is written yet.');
export const afterRows = failpoint('views.after-rows', 'The rows of a batch are written, its checkpoint is not.');
export const afterCheckpoint = failpoint(
  'views.after-checkpoint',
  'Rows and checkpoint are written, nothing is committed.',
);
export const afterCommit = failpoint('views.after-commit', 'A batch is committed, before anybody is answered.');
