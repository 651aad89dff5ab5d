export type PartStatus = 'ready' | 'degraded' | 'not-ready';

/** `degraded` still serves: something is parked or late, and the parts say what. */
export type Readiness = {
  readonly status: PartStatus;
  readonly parts: Readonly<Record<string, { readonly status: PartStatus; readonly detail: string | null }>>;
};

/** As bad as the worst of its parts. */
export const readinessOf = (parts: Readiness['parts']): Readiness => {
  const all = Object.values(parts).map(({ status }) => status);
  return { status: all.includes('not-ready') ? 'not-ready' : all.includes('degraded') ? 'degraded' : 'ready', parts };
};
