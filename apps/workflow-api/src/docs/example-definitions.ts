/** The workflow of the examples; it uses the sample application. */
export const WELCOME_DEFINITION = {
  description: 'Welcomes a new user',
  tags: { team: 'growth' },
  target: 'http://127.0.0.1:4000',
  root: {
    type: 'sequence',
    steps: [
      { type: 'step', name: 'create-user', url: '/steps/create-user' },
      {
        type: 'parallel',
        name: 'tell',
        branches: [
          { type: 'step', name: 'send-email', url: '/steps/send-email', retry: { maxAttempts: 5 } },
          { type: 'step', name: 'send-analytics', url: '/steps/send-analytics' },
        ],
      },
    ],
  },
};

/** Nobody listens on port 9: its first attempt fails, and the next one is due in an hour. There is time to cancel it. */
export const HELD_DEFINITION = {
  root: {
    type: 'step',
    name: 'unheard',
    url: 'http://127.0.0.1:9/',
    retry: { initialIntervalMs: 3_600_000, maxIntervalMs: 3_600_000 },
  },
};
