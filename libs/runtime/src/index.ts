export { instantOf, systemClock, type Clock } from './clock.js';
export { sha256Base32, sha256Hex, systemEntropy, type Entropy } from './entropy.js';
