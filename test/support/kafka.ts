import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { dockerAnswers } from './docker.js';
import { freePort } from './processes.js';
import { noteServers } from './servers-seen.js';
import { FaultProxy, framed, replaceIn } from './fault-proxy.js';

/** A broker of the test; all its state goes with it. */
export type TestKafka = {
  readonly brokers: readonly string[];
  /** The shortest session that a member of a group may have. What the broker waits for at a change of a group depends on it. */
  readonly sessionMsMin: number;
  readonly stop: () => Promise<void>;
};

/** Of a broker that was not told otherwise (`group.min.session.timeout.ms`). */
const BROKER_SESSION_MS_MIN = 6_000;
/** It lets the first members of a group wait for 3 s, and drops those whose session is over by then. */
const MOCK_SESSION_MS_MIN = 3_500;

const named = (): string => process.env['STEPWELL_TEST_KAFKA_BROKERS'] ?? '';
const hasKcat = (): boolean => spawnSync('kcat', ['-V']).status === 0;

/** Says in one line what is missing on this machine for a test against Kafka; `null` where nothing is. */
export const missingKafka = async (): Promise<string | null> => {
  if (named() !== '' || (await dockerAnswers()) || hasKcat()) return null;
  const install = process.platform === 'darwin' ? 'brew install kcat' : 'apt-get install kcat';
  return `no Kafka broker to test against: set STEPWELL_TEST_KAFKA_BROKERS, start Docker, or install kcat (${install})`;
};

/**
 * A Kafka broker: the one that `STEPWELL_TEST_KAFKA_BROKERS` names (host:port, comma between), else a container where
 * Docker answers, else the mock cluster of librdkafka, which Debian's `kcat` has in it. Throws where there is none of them:
 * a test run leaves the spec files that need one out beforehand, and says so.
 */
export const testKafka = async (): Promise<TestKafka> => {
  if (named() !== '') {
    noteServers('kafka', named());
    const brokers = named()
      .split(',')
      .map((broker) => broker.trim());
    return { brokers, sessionMsMin: BROKER_SESSION_MS_MIN, stop: async () => {} };
  }
  if (await dockerAnswers()) return container();
  if (hasKcat()) return mockCluster();
  throw new Error(`${await missingKafka()}`);
};

/**
 * Proxies before the brokers, which a test can cut, stall and heal. Brokers tell their clients where they are, so answers
 * are changed on their way: what a broker says of its own port becomes the proxy's. For brokers of this machine only.
 */
export const kafkaProxies = async (
  kafka: TestKafka,
): Promise<{ readonly brokers: readonly string[]; readonly proxies: readonly FaultProxy[] }> => {
  const ports: { readonly real: Buffer; readonly proxied: Buffer }[] = [];
  const rewrite = () =>
    framed((message) => {
      for (const { real, proxied } of ports) replaceIn(message, real, proxied);
    });
  const proxies: FaultProxy[] = [];
  for (const broker of kafka.brokers) {
    const [host, port] = broker.split(':');
    const proxy = await new FaultProxy(
      { host: host!, port: Number(port) },
      { rewrite, port: await freePort() },
    ).start();
    ports.push({ real: advertised(host!, Number(port)), proxied: advertised(host!, proxy.port) });
    proxies.push(proxy);
  }
  return { brokers: proxies.map(({ address }) => address), proxies };
};

/** A broker in an answer: its host, then its port in four bytes. */
const advertised = (host: string, port: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(port);
  return Buffer.concat([Buffer.from(host), bytes]);
};

const IMAGE = 'apache/kafka:4.1.1';
const CLIENT_PORT = 9092;

/** Broker and controller in one. It is told its port of this machine beforehand, since it tells its clients. */
const container = async (): Promise<TestKafka> => {
  // Loaded only where there is a Docker: it takes a second.
  const { GenericContainer, Wait } = await import('testcontainers');
  const port = await freePort();
  const started = await new GenericContainer(IMAGE)
    .withExposedPorts({ container: CLIENT_PORT, host: port })
    .withEnvironment({
      KAFKA_NODE_ID: '1',
      KAFKA_PROCESS_ROLES: 'broker,controller',
      KAFKA_CONTROLLER_QUORUM_VOTERS: '1@localhost:9093',
      KAFKA_CONTROLLER_LISTENER_NAMES: 'CONTROLLER',
      KAFKA_LISTENERS: `CLIENT://0.0.0.0:${CLIENT_PORT},CONTROLLER://localhost:9093`,
      KAFKA_ADVERTISED_LISTENERS: `CLIENT://127.0.0.1:${port}`,
      KAFKA_LISTENER_SECURITY_PROTOCOL_MAP: 'CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT',
      KAFKA_INTER_BROKER_LISTENER_NAME: 'CLIENT',
      KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR: '1',
      KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR: '1',
      KAFKA_TRANSACTION_STATE_LOG_MIN_ISR: '1',
      KAFKA_NUM_PARTITIONS: '4',
    })
    .withWaitStrategy(Wait.forLogMessage('Kafka Server started'))
    .start();
  noteServers('kafka', `${IMAGE} (testcontainers)`);
  return {
    brokers: [`127.0.0.1:${port}`],
    sessionMsMin: BROKER_SESSION_MS_MIN,
    stop: async () => void (await started.stop()),
  };
};

const living = new Set<ChildProcess>();
// A test that dies of a fault must not leave brokers behind.
process.once('exit', () => {
  for (const child of living) child.kill('SIGKILL');
});

const START_MS = 10_000;

/** A consumer that wants nothing but the mock cluster which it brings along; the debug log says where it listens. */
const mockCluster = async (): Promise<TestKafka> => {
  const child = spawn('kcat', ['-C', '-b', 'dummy', '-t', 'warm', '-X', 'test.mock.num.brokers=1', '-d', 'mock'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  living.add(child);
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  void ended.then(() => living.delete(child));
  const broker = await new Promise<string>((resolve, reject) => {
    let said = '';
    const timer = setTimeout(() => reject(new Error(`kcat has not said where it listens:\n${said}`)), START_MS);
    child.stderr.on('data', (chunk: Buffer) => {
      if (said.length > 10_000) return; // the pipe is emptied all the same, or kcat would stop at a full one
      said += chunk.toString();
      const found = /bootstrap\.servers=(127\.0\.0\.1:\d+)/.exec(said);
      if (found === null) return;
      clearTimeout(timer);
      resolve(found[1]!);
    });
    child.once('error', reject);
  });
  noteServers('kafka', 'librdkafka mock cluster');
  return {
    brokers: [broker],
    sessionMsMin: MOCK_SESSION_MS_MIN,
    stop: async () => {
      child.kill('SIGKILL');
      await ended;
    },
  };
};
