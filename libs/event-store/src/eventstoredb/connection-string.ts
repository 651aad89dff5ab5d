/** A frozen server is noticed after these two together. The client's own are ten times as long. */
const KEEP_ALIVE_INTERVAL_MS = 1000;
const KEEP_ALIVE_TIMEOUT_MS = 1000;

/**
 * What the client is given. Connections of one process to one server share a socket when all their options are alike, also
 * one that is stuck, or that waits ever longer before it tries again: so each `generation` has options of its own.
 */
export const connectionString = (url: string, generation: number): string => {
  const known = url.trim().replace(/^kurrentdb(?=(\+discover)?:)/, 'esdb');
  const [base = '', query = ''] = known.split('?', 2);
  const members = query.split('&').filter((member) => member !== '');
  const taken = (name: string): number => {
    const at = members.findIndex((member) => flat(member.split('=')[0]!) === name);
    return at === -1 ? NaN : Number(members.splice(at, 1)[0]!.split('=')[1]);
  };
  const intervalMs = taken('keepaliveinterval');
  const timeoutMs = taken('keepalivetimeout');
  members.push(`keepAliveInterval=${Number.isNaN(intervalMs) ? KEEP_ALIVE_INTERVAL_MS : intervalMs}`);
  members.push(
    `keepAliveTimeout=${(Number.isNaN(timeoutMs) || timeoutMs < 0 ? KEEP_ALIVE_TIMEOUT_MS : timeoutMs) + generation}`,
  );
  return `${base}?${members.join('&')}`;
};

/** Where it leads to, for people. */
export const hostsOf = (url: string): string =>
  withoutPassword(url)
    .replace(/^[a-z+]+:\/\/([^@/]*@)?/, '')
    .replace(/[/?].*$/, '');

/** A text in which a connection string may stand, without what is secret in it. */
export const withoutPassword = (text: string): string => text.replace(/[^\s/@"]+@/g, '…@');

export type HttpAccess = { readonly tls: boolean; readonly user: string | null; readonly caFile: string | null };

/** How the HTTP interface of the same server is asked. `user` is `name:password`. */
export const httpAccess = (url: string): HttpAccess => {
  const [base = '', query = ''] = url.trim().split('?', 2);
  const members = new Map(
    query.split('&').map((member) => {
      const [name = '', value = ''] = member.split('=', 2);
      return [flat(name), decodeURIComponent(value)] as const;
    }),
  );
  const user = /^[^:]+:\/\/([^@]+)@/.exec(base)?.[1];
  return {
    tls: members.get('tls') !== 'false',
    user: user === undefined ? null : user.split(':').map(decodeURIComponent).join(':'),
    caFile: members.get('tlscafile') ?? null,
  };
};

/** Names of options are compared as the client does it. */
const flat = (name: string): string => name.trim().toLowerCase().replace(/[_-]/g, '');
