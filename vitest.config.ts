import { defineConfig } from 'vitest/config'

const conformance = 'test/conformance/**/*.test.ts'

export default defineConfig({
  test: {
    // Real servers on a machine that may be slow: generous, because nothing here measures time.
    testTimeout: 30_000,
    hookTimeout: 30_000,
    reporters: ['default', './test/support/closing-line.ts'],
    // Two cores: more files at once only wait for each other.
    maxWorkers: 2,
    projects: [
      {
        extends: true,
        test: { name: 'one node', include: ['test/**/*.test.ts'], provide: { topology: 'one node' } },
      },
      // The same files once more. Postgres and Redis are started for the whole run, and only when one of them runs.
      {
        extends: true,
        test: {
          name: 'two nodes',
          include: [conformance],
          globalSetup: './test/support/services.ts',
          provide: { topology: 'two nodes' },
        },
      },
    ],
  },
})
