import { field, isObject } from './fact.ts'

/** A batch with other names for its operations. */
export function withOperations(
  batch: unknown,
  rename: (type: string) => string,
  payload = (given: unknown) => given,
): unknown {
  const operations = field(batch, 'operations')
  if (!isObject(batch) || !Array.isArray(operations)) return batch
  return {
    ...batch,
    operations: operations.map((operation: unknown) =>
      isObject(operation) && typeof operation.type === 'string'
        ? { ...operation, type: rename(operation.type), payload: payload(operation.payload) }
        : operation,
    ),
  }
}
