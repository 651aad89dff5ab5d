// First, and before any other import of a main: it ends the process on a Node.js that cannot run us.
import './node-version.js';

export { Bag, ChurnMap, type Bagged } from './churn.js';
export { VERSION } from './version.js';
export { tuneCollector } from './collector.js';
export { instantOf, systemClock, Clock } from './clock.js';
export { base32ToHex, sha256Base32, sha256Hex, stepIdempotencyKey, systemEntropy, Entropy } from './entropy.js';
export { ConfigRefused, loadConfig, loadConfigOrExit } from './config.js';
export type {
  Config,
  ConfigProblem,
  DispatchConfig,
  KafkaConfig,
  Limits,
  LogConfig,
  RetentionConfig,
} from './config.js';
export type { FlowLimit } from './flow-limits.js';
export { commandLine } from './command-line.js';
export { createLog, silentLog, Log, type LogFields } from './log.js';
export { armFailpoint, failpoint, failpoints } from './failpoints.js';
export { firstIndex } from './by-halves.js';
export { aborted, pause, takesLonger } from './pause.js';
export { nearestNames } from './nearest-names.js';
export { onShutdown } from './shutdown.js';
export { runMain } from './run-main.js';
export { openStores } from './open-stores.js';
export { canonicalText, parseStrictJson, unicodeText, type CompactJson, type StrictJson } from './json/strict-json.js';
export { memberTexts } from './json/json-members.js';
export { NumberAsWritten, numberFault, parseAsWritten } from './json/json-number.js';
export { JSON_LIMITS, placeInText, type JsonFault, type JsonFaultCode, type JsonLimits } from './json/json-fault.js';
export { canonicalJson } from './json/canonical-json.js';
export { Histogram } from './metrics/histogram.js';
export type { MetricSources, Sample } from './metrics/metric-sources.js';
export { MetricsPage } from './metrics/prom-client/metrics-page.js';
export { METRICS, type Metric, type MetricName } from './metrics/metric-table.js';
export { createOpsServer, opsListener, type OpsAnswers } from './ops-server.js';
export { PortRefused, ProcessPort } from './process-port.js';
export {
  NodeInfo,
  nodeInfo,
  type NodeDescription,
  type NodeLag,
  type NodeParts,
  type NodeRole,
  type NodeState,
  type NodeVersions,
} from './node-info.js';
export { readinessOf, type PartStatus, type Readiness } from './readiness.js';
export { openTracer, type Span, type SpanAttributes, type SpanStart, type Tracer } from './tracing/tracer.js';
export { refuseEmbeddedStore } from './embedded-store.js';
export { isNoRoom } from './no-room.js';
export { whyNotWritable } from './writable.js';
