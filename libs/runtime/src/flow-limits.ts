import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { z } from 'zod';

/** How many attempts may be in flight, or begin in a second, of what the limit names. */
export type FlowLimit = {
  /** By the origin called, the queue of the run, or the value that the run has of a tag. */
  readonly kind: 'target' | 'queue' | 'key';
  /** An origin, the name of a queue, or of a tag; `*` is each target, or each queue, by itself. */
  readonly name: string;
  /** `null` for every namespace, each by itself. Of a target always `null`: it is one place for all of them. */
  readonly namespace: string | null;
  readonly concurrency: number | null;
  readonly ratePerSecond: number | null;
  /** How many may begin at once after a pause. */
  readonly burst: number;
};

const LIMITS_MAX = 1_000;
const KEYS_MAX = 4;
const NAME_CHARACTERS_MAX = 256;

const originOf = (text: string): string | null => {
  const url = URL.parse(text);
  const bare = url !== null && (url.protocol === 'http:' || url.protocol === 'https:');
  return bare && url.pathname === '/' && url.search === '' && url.hash === '' && url.username === ''
    ? url.origin
    : null;
};

const limit = z
  .strictObject({
    kind: z.enum(['target', 'queue', 'key'], { error: 'must be target, queue or key' }),
    name: z.string().min(1).max(NAME_CHARACTERS_MAX),
    namespace: z.string().min(1).max(NAME_CHARACTERS_MAX).optional(),
    concurrency: z.int().min(1).max(1_000_000).optional(),
    ratePerSecond: z.number().min(0.001).max(1_000_000).optional(),
    burst: z.int().min(1).max(1_000_000).optional(),
  })
  .transform((given, ctx): FlowLimit => {
    const refuse = (message: string): void => void ctx.issues.push({ code: 'custom', message, input: given });
    if (given.concurrency === undefined && given.ratePerSecond === undefined)
      refuse('limits nothing: give concurrency, ratePerSecond, or both');
    if (given.burst !== undefined && given.ratePerSecond === undefined) refuse('has burst without ratePerSecond');
    if (given.kind === 'target' && given.namespace !== undefined) refuse('has a namespace: a target is one for all');
    if (given.kind === 'key' && given.name === '*') refuse('must name a tag, not *');
    const origin = given.kind === 'target' && given.name !== '*' ? originOf(given.name) : given.name;
    if (origin === null) refuse('must be an origin, as http://app:4000, without path, or *');
    return {
      kind: given.kind,
      name: origin ?? given.name,
      namespace: given.namespace ?? null,
      concurrency: given.concurrency ?? null,
      ratePerSecond: given.ratePerSecond ?? null,
      burst: given.burst ?? Math.max(1, Math.ceil(given.ratePerSecond ?? 1)),
    };
  });

const limits = z.array(limit).max(LIMITS_MAX);

/** Says in one line what is wrong with the first limit that is wrong. */
class LimitsRefused extends Error {}

const checked = (value: unknown): readonly FlowLimit[] => {
  const parsed = limits.safeParse(value);
  if (!parsed.success) {
    const { path, message } = parsed.error.issues[0]!;
    throw new LimitsRefused(path.length === 0 ? message : `limit ${path.map(String).join('.')}: ${message}`);
  }
  const seen = new Set<string>();
  for (const { kind, namespace, name } of parsed.data) {
    const place = JSON.stringify([kind, namespace, name]);
    if (seen.has(place)) throw new LimitsRefused(`${kind} ${name} is limited twice`);
    seen.add(place);
  }
  const keys = new Set(parsed.data.filter(({ kind }) => kind === 'key').map(({ name }) => name));
  if (keys.size > KEYS_MAX) throw new LimitsRefused(`at most ${KEYS_MAX} tags can be limited, not ${keys.size}`);
  return parsed.data;
};

/** `STEPWELL_LIMITS`, or the file that it names: JSON or YAML, a list of limits. */
export const flowLimits: z.ZodType<readonly FlowLimit[], string> = z.string().transform((text, ctx) => {
  const refuse = (message: string): never => {
    ctx.issues.push({ code: 'custom', message, input: text });
    return z.NEVER;
  };
  const fromFile = text.startsWith('/') || text.startsWith('./');
  try {
    return checked(parse(fromFile ? readFileSync(text, 'utf8') : text));
  } catch (error) {
    if (error instanceof LimitsRefused) return refuse(`is not a list of limits: ${error.message}`);
    const [line] = String(error instanceof Error ? error.message : error).split('\n');
    return refuse(`cannot be ${fromFile ? 'read' : 'parsed as JSON or YAML'}: ${line}`);
  }
});
