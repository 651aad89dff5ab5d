import { runArchived, runParked, STORAGE_FULL, STORAGE_UNAVAILABLE } from '../http/failures.js';
import { textProblem } from '../http/json-body.js';
import { problemText, type Problem, type ProblemCode } from '../http/problems.js';

const WELCOME = '"welcome"';
const KEY_FORM = 'Give one line of 1 to 255 visible ASCII characters, bare or in double quotes.';

/** A body that cannot be read, with the place where that shows. */
const unread = (
  code: Parameters<typeof textProblem>[0]['code'],
  detail: string,
  pointer: string,
  column: number,
): Problem => textProblem({ code, detail, pointer, at: column - 1, line: 1, column });

const told = (code: ProblemCode, detail: string): Problem => ({ code, detail });
/** The detail of its one place is all that there is to tell. */
const toldAt = (code: ProblemCode, pointer: string, detail: string): Problem => ({
  code,
  detail,
  errors: [{ pointer, detail }],
});
const placed = (code: ProblemCode, pointer: string, detail: string): Problem => ({
  ...toldAt(code, pointer, detail),
  detail: `${pointer}: ${detail}`,
});

/** One of each problem that some endpoint tells of, in the words of the service. */
const PROBLEMS_TOLD: readonly Problem[] = [
  unread('malformed-json', 'The text ends too early: a value was expected', '/workflow', 13),
  unread('malformed-yaml', 'Flow sequence in block collection must be sufficiently indented and end with a ]', '', 8),
  unread('duplicate-key', 'The member "input" stands twice in one object', '/input', 12),
  unread('forbidden-key', 'The member name "__proto__" is not allowed here', '/__proto__', 2),
  unread('number-out-of-range', 'The number 1e5000 has an exponent past ±1000: send it as a string', '/input', 10),
  unread('invalid-string', 'A string may not hold the character NUL (\\u0000)', '/input', 11),
  unread('invalid-encoding', 'The text is not UTF-8 from here on', '', 2),
  unread('too-deep', 'Nested more than 64 levels deep', `/input${'/0'.repeat(63)}`, 73),
  unread('too-many-keys', 'More than 100000 members in one text', '/input', 1_288_900),
  placed('validation-failed', '/workflw', 'There is no such member. Did you mean "workflow"?'),
  placed('invalid-definition', '/root/steps/0/type', 'There is no node of type "stp". Did you mean "step"?'),
  told('idempotency-key-missing', 'There is no Idempotency-Key header. Nothing was started.'),
  {
    code: 'idempotency-key-invalid',
    detail: 'The Idempotency-Key is malformed. It is empty. Nothing was started.',
    errors: [{ pointer: 'Idempotency-Key', detail: KEY_FORM }],
  },
  {
    code: 'idempotency-key-reused',
    detail:
      'The key was first used with another payload: fingerprint 691bf9d8, this one has 77c66a1c. Nothing was started.',
    errors: [{ pointer: 'Idempotency-Key', detail: 'First used for 691bf9d8, now for 77c66a1c.' }],
  },
  {
    code: 'cursor-invalid',
    detail: 'The cursor is malformed, or belongs to a list with other filters.',
    errors: [{ pointer: 'cursor', detail: 'Give the nextCursor of a page of this very list.' }],
  },
  toldAt('workflow-not-found', 'name', 'There is no workflow "welcom". Did you mean "welcome"?'),
  told('version-not-found', `The workflow ${WELCOME} does not have version 9; the latest is 1.`),
  told('draft-not-found', `The workflow ${WELCOME} has no draft.`),
  told('run-not-found', 'There is no run with this id.'),
  told('step-not-found', 'The run has no step "create-usr". Did you mean "create-user"?'),
  told('step-not-reached', 'The step "tell" is in the plan, and the run has not reached it yet.'),
  told(
    'payload-not-found',
    'The run has no payload at "/output" of revision "0". Cut payloads in GET /v1/runs/{id} have the address.',
  ),
  told('event-type-not-found', 'There is no type of event "RunStart". Did you mean "RunStarted"?'),
  told('problem-not-found', 'There is no problem "run-endd". Did you mean "run-ended"?'),
  told('request-timeout', 'The request did not arrive in time.'),
  told('run-ended', 'The run has ended as completed.'),
  told('workflow-archived', `The workflow ${WELCOME} is archived. Nothing was started.`),
  runArchived('runs-2026-11-30.ndjson.gz'),
  told(
    'precondition-failed',
    `The workflow ${WELCOME} is not as the request wants it: its latest version is 2. Nothing was changed.`,
  ),
  {
    code: 'payload-too-large',
    detail: '/input: The payload is larger than 262144 bytes.',
    errors: [{ pointer: '/input', detail: 'At most 262144 bytes as JSON.' }],
  },
  told('unsupported-media-type', 'The body has Content-Type "text/plain". Taken here: application/json.'),
  toldAt(
    'step-unknown',
    '/fromStep',
    'The definition has no step "create-usr" to start from. Did you mean "create-user"?',
  ),
  told('internal-error', 'The request failed by a mistake of the server.'),
  runParked({ since: '2026-11-30T09:00:00.000Z', reason: 'revision 4, StepEntered, cannot be read' }),
  STORAGE_UNAVAILABLE,
  STORAGE_FULL,
  told('view-behind', 'The view did not reach the position in time.'),
  told('overloaded', '1000 event streams are open already.'),
  told('stopping', 'The server is stopping. Nothing was started.'),
  {
    code: 'not-ready',
    detail: 'Not ready: eventStore.',
    errors: [{ pointer: 'eventStore', detail: 'It is not ready.' }],
  },
];

/** By code: bodies as they are sent. */
export const EXAMPLE_PROBLEMS: Readonly<Record<string, unknown>> = Object.fromEntries(
  PROBLEMS_TOLD.map((problem): [string, unknown] => [problem.code, JSON.parse(problemText(problem))]),
);
