import { z } from 'zod';

/** The store's identity and format. A client that does not know `version` refuses the store. */
export const StoreRecord = z.strictObject({
  version: z.literal(1),
  storeId: z.string().regex(/^[0-9a-f]{16}$/),
});
export type StoreRecord = z.infer<typeof StoreRecord>;
