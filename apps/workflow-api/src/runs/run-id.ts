import type { RunId } from '#engine';
import { isRunId } from '#event-store';
import { sha256Base32 } from '#runtime';

const HASH_CHARS = 26;
export const ID_SUFFIX = /^[a-z0-9-]{1,32}$/;

/** Where a start comes from. Each has keys of its own: a message and a request with one key are two runs. */
export type StartKind = 'start' | 'trigger';

/** The id of the run that this start makes, now and at every repetition: 128 bits of base32. */
export const startRunId = (kind: StartKind, namespace: string, workflow: string | null, key: string): RunId =>
  // A cast is how a brand is given; here is the one place that makes ids of runs that are started.
  sha256Base32(`${kind}\n${namespace}\n${workflow ?? ''}\n${key}`, 128) as RunId;

/** The hash out of an id as people see it; `null` when the text is no id. Whether the suffix is right, only the run can tell. */
export const parseRunId = (visible: string): RunId | null => {
  const hash = visible.slice(0, HASH_CHARS);
  const suffix = visible.slice(HASH_CHARS);
  const isId = isRunId(hash) && (suffix === '' || (suffix.startsWith('-') && ID_SUFFIX.test(suffix.slice(1))));
  // As above: the text has the form of an id.
  return isId ? (hash as RunId) : null;
};

/** The hash at the head of an id that a run has. */
// As above: an id of a run begins with it.
export const hashOf = (id: string): RunId => id.slice(0, HASH_CHARS) as RunId;
