import { request } from 'node:http';

const ANSWER_WITHIN_MS = 1000;

/** Whether a Docker engine answers: on `DOCKER_HOST` when it is a socket or an address, else where it usually is. */
export const dockerAnswers = (): Promise<boolean> =>
  new Promise((resolve) => {
    const host = process.env['DOCKER_HOST'] ?? 'unix:///var/run/docker.sock';
    const url = host.startsWith('unix://') ? null : new URL('/_ping', host.replace(/^tcp:/, 'http:'));
    const options = { timeout: ANSWER_WITHIN_MS };
    const ping =
      url === null
        ? request({ ...options, socketPath: host.slice('unix://'.length), path: '/_ping' })
        : request(url, options);
    ping.on('response', (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    ping.on('timeout', () => ping.destroy(new Error('no answer')));
    ping.on('error', () => resolve(false));
    ping.end();
  });
