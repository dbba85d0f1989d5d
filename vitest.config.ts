import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Real servers on a machine that may be slow: generous, because nothing here measures time.
    testTimeout: 30_000,
    hookTimeout: 30_000,
    reporters: ['default', './test/support/closing-line.ts'],
    // Two cores: more files at once only wait for each other.
    maxWorkers: 2,
  },
})
