import type { StepKey } from '#domain';
import type { RunId } from '#engine';
import { ChurnMap } from '#runtime';

type Indexed = { readonly runId: RunId; readonly step: StepKey };

/** What is in flight, by run and step: one a step. A run that has one in flight, as most have, costs no map of its own. */
export class FlightIndex<Flight extends Indexed> {
  private readonly runs = new ChurnMap<RunId, Flight | Map<StepKey, Flight>>();

  add(flight: Flight): void {
    const known = this.runs.get(flight.runId);
    if (known === undefined) this.runs.set(flight.runId, flight);
    else if (known instanceof Map) known.set(flight.step, flight);
    else
      this.runs.set(
        flight.runId,
        new Map([
          [known.step, known],
          [flight.step, flight],
        ]),
      );
  }

  /** False when it was not in. */
  delete(flight: Flight): boolean {
    const known = this.runs.get(flight.runId);
    if (known instanceof Map) {
      if (known.get(flight.step) !== flight) return false;
      known.delete(flight.step);
      if (known.size === 0) this.runs.delete(flight.runId);
      return true;
    }
    return known === flight && this.runs.delete(flight.runId);
  }

  get(runId: RunId, step: StepKey): Flight | undefined {
    const known = this.runs.get(runId);
    if (known instanceof Map) return known.get(step);
    return known?.step === step ? known : undefined;
  }

  ofRun(runId: RunId): readonly Flight[] {
    const known = this.runs.get(runId);
    if (known === undefined) return [];
    return known instanceof Map ? [...known.values()] : [known];
  }

  all(): readonly Flight[] {
    return this.runs.values().flatMap((known) => (known instanceof Map ? [...known.values()] : [known]));
  }
}
