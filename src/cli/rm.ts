import { type HolderOrder, tellHolders } from './tell-holders.ts';

/** Removes a model from every server that has it, or from one; see `tellHolders`. */
export function removeModel(order: HolderOrder): Promise<number> {
  const { model } = order;
  return tellHolders(
    order,
    { method: 'DELETE', path: '/api/delete', body: { model } },
    `removed ${model} from`,
  );
}
