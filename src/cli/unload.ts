import { type HolderOrder, tellHolders } from './tell-holders.ts';

/** Unloads a model from the memory of every server that has it, or of one; see `tellHolders`. */
export function unloadModel(order: HolderOrder): Promise<number> {
  const { model } = order;
  return tellHolders(
    order,
    { method: 'POST', path: '/api/generate', body: { model, keep_alive: 0, stream: false } },
    `unloaded ${model} on`,
  );
}
