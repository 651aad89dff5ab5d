import type { Clock } from '#runtime';
import type { RebuildProgress } from '#views';

const BAR_WIDTH = 30;
const LINE_MS = 1_000;
const UNITS = [
  { seconds: 3_600, name: 'h' },
  { seconds: 60, name: 'min' },
  { seconds: 1, name: 's' },
] as const;

type Output = { readonly isTTY?: boolean; write(text: string): unknown };

/** Shows how far a rebuild is: a bar on a terminal, elsewhere a plain line a second. */
export const rebuildProgress = (output: Output, clock: Clock): ((progress: RebuildProgress) => void) => {
  let toldMs = -Infinity;
  return (progress) => {
    if (output.isTTY === true) {
      output.write(`\r${bar(progress.share)} ${progressText(progress)}\x1b[K${progress.share === 1 ? '\n' : ''}`);
      return;
    }
    const nowMs = clock.monotonicMs();
    if (nowMs - toldMs < LINE_MS && progress.share < 1) return;
    toldMs = nowMs;
    output.write(`${progressText(progress)}\n`);
  };
};

/** Count, rate and time left, as one line. */
export const progressText = ({ events, eventsPerSecond, share, secondsLeft }: RebuildProgress): string => {
  const left = secondsLeft === null ? '' : `, ${duration(secondsLeft)} left`;
  return `${Math.floor(share * 100)} %, ${grouped(events)} events, ${grouped(eventsPerSecond)}/s${left}`;
};

const bar = (share: number): string => {
  const filled = Math.floor(share * BAR_WIDTH);
  return `[${'='.repeat(filled)}${' '.repeat(BAR_WIDTH - filled)}]`;
};

const grouped = (count: number): string => Math.round(count).toLocaleString('en-US');

const duration = (seconds: number): string => {
  const whole = Math.ceil(seconds);
  const unit = UNITS.find((candidate) => whole >= candidate.seconds * 2) ?? UNITS[2];
  return `${Math.ceil(whole / unit.seconds)} ${unit.name}`;
};
