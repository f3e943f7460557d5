import { useLayoutEffect, useState } from 'preact/hooks';

/** Something that outlives what shows it. */
export interface Store {
  /** Calls `listener` after each change, until the returned function is called. */
  listen(listener: () => void): () => void;
}

/** The same store; has a component drawn again when it changes. */
export function useStore<T extends Store>(store: T): T {
  const [, draw] = useState(0);
  // Listens from the moment it is drawn: an effect runs a frame later, and what changes until then is lost.
  useLayoutEffect(() => store.listen(() => draw((count) => count + 1)), [store]);
  return store;
}
