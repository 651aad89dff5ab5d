import { dockerAnswers } from './docker.js';

export type RealServer = { readonly name: string; readonly url: string; readonly stop: () => Promise<void> };

const IMAGE = 'kurrentplatform/kurrentdb:25.1';
const PORT = 2113;
const URL_NAME = 'STEPWELL_TEST_EVENTSTOREDB_URL';

/** A real server for tests: the one that the environment names, else a container; or why there is none. */
export const realEventStoreDb = async (): Promise<RealServer | { readonly none: string }> => {
  const url = process.env[URL_NAME];
  if (url !== undefined) return { name: `the server of ${URL_NAME}`, url, stop: async () => {} };
  if (!(await dockerAnswers())) return { none: `${URL_NAME} not set, Docker does not answer` };
  // Loaded when it is needed: it takes longer than most tests.
  const { GenericContainer, Wait } = await import('testcontainers');
  const container = await new GenericContainer(IMAGE)
    .withCommand(['--insecure', '--mem-db'])
    .withExposedPorts(PORT)
    .withWaitStrategy(Wait.forHttp('/health/live', PORT).forStatusCodeMatching((status) => status < 300))
    .start();
  return {
    name: IMAGE,
    url: `esdb://${container.getHost()}:${container.getMappedPort(PORT)}?tls=false`,
    stop: async () => void (await container.stop()),
  };
};
