import { writeSync } from 'node:fs';

const MAJOR_MIN = 24;
const MINOR_MIN = 9;

/** What is wrong with a version of Node.js for us; `null` when nothing is. */
export const nodeVersionProblem = (version: string): string | null => {
  const [major, minor] = version.split('.').map(Number);
  if (major! > MAJOR_MIN || (major === MAJOR_MIN && minor! >= MINOR_MIN)) return null;
  return (
    `Stepwell needs Node.js ${MAJOR_MIN}.${MINOR_MIN} or newer, and this is ${version}.\n` +
    'Start it by its npm scripts (`npm start`): they use the Node.js that `npm ci` has installed.\n'
  );
};

// Modules are evaluated in the order of their imports, and this one comes first: on an older Node.js the SQLite driver ends
// the process by a segmentation fault, without a word.
const problem = nodeVersionProblem(process.versions.node);
if (problem !== null) {
  writeSync(2, problem);
  process.exit(1);
}
