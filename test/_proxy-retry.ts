import type { SimulatedOllama } from '../src/simulate/ollama.ts';
import { chat } from './_simulate-client.ts';

/** How often a simulated Ollama was asked for this. */
export const asked = ({ seen }: SimulatedOllama, path: string): number =>
  seen.filter((one) => one.path === path).length;

/** A chat with the model that a simulated Ollama has unless told. */
export const HELLO = chat('simulated', 'hi');
