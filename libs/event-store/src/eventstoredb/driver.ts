// Everything that loads the driver, behind one lazy import.
export { Appender } from './appender.js';
export { hideBefore } from './archive.js';
export { Connection } from './connection.js';
export { follow } from './log-follower.js';
export { LogReader } from './log-reader.js';
export { StreamWriter } from './stream-writer.js';
