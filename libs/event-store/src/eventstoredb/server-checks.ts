import { readFileSync } from 'node:fs';
import { request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import type { Log } from '#runtime';
import { httpAccess } from './connection-string.js';

/** The server cannot be used: it is too old, or refuses our credentials. */
export class ServerUnsuitable extends Error {
  readonly code = 'server-unsuitable';
  readonly retryable = false;
}

/** The first release whose subscriptions were mended of skipping an event when they go live. */
const OLDEST = [22, 10] as const;
const ANSWER_WITHIN_MS = 2000;
const ANSWER_BYTES_MAX = 1024 * 1024;

/** What takes the durability away that an answered append promises; names as they are without case and separators. */
const DANGEROUS: Readonly<Record<string, string>> = {
  memdb: 'keeps everything in memory: the log ends with its process',
  unsafedisableflushtodisk: 'does not flush to the disk: a power failure loses appends that were answered',
};

/** Throws for a server that is too old. */
export const refuseOldServer = (version: string): void => {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const isOld = major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1]);
  if (isOld)
    throw new ServerUnsuitable(`EventStoreDB ${version} is too old: ${OLDEST.join('.')} is the oldest that serves`);
};

/** Says aloud when the server was told to be careless, or when it does not tell. */
export const warnOfDurability = async (url: string, target: string, log: Log): Promise<void> => {
  let options: unknown;
  try {
    options = JSON.parse(await get(url, `${target}/info/options`));
    if (!Array.isArray(options)) throw new Error('the answer is no list');
  } catch (error) {
    log.warn('EventStoreDB does not tell its options: whether it flushes to the disk is not checked', { err: error });
    return;
  }
  for (const option of options as readonly { name?: unknown; value?: unknown }[]) {
    const name = String(option.name)
      .toLowerCase()
      .replace(/[^a-z]/g, '');
    const danger = DANGEROUS[name];
    if (danger !== undefined && String(option.value).toLowerCase() === 'true') {
      log.warn(`EventStoreDB ${danger}`, { option: option.name });
    }
  }
};

const get = (url: string, path: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const { tls, user, caFile } = httpAccess(url);
    const authorization =
      user === null || !tls ? {} : { authorization: `Basic ${Buffer.from(user).toString('base64')}` };
    const options = { headers: authorization, timeout: ANSWER_WITHIN_MS };
    const req = tls
      ? requestHttps(`https://${path}`, { ...options, ...(caFile === null ? {} : { ca: readFileSync(caFile) }) })
      : requestHttp(`http://${path}`, options);
    req.on('response', (res) => {
      let text = '';
      res.setEncoding('utf8');
      res.on('data', (part: string) => {
        text += part;
        if (text.length > ANSWER_BYTES_MAX) req.destroy(new Error('the answer is too long'));
      });
      res.on('error', reject);
      res.on('end', () =>
        res.statusCode === 200 ? resolve(text) : reject(new Error(`the answer is ${res.statusCode}`)),
      );
    });
    req.on('timeout', () => req.destroy(new Error(`no answer within ${ANSWER_WITHIN_MS} ms`)));
    req.on('error', reject);
    req.end();
  });
