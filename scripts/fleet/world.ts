/** A model as it behaves on a GPU of speed 1. */
export interface FleetModel {
  readonly name: string;
  /** Loading takes as long on every machine: it is the disk that does it. */
  readonly loadMs: number;
  /** In the unit of `FleetGpu.memory`. */
  readonly size: number;
  readonly decodeMsPerToken: number;
  readonly prefillMsPerToken: number;
}

export interface FleetGpu {
  readonly speed: number;
  readonly memory: number;
}

/** A program on some laptop, that talks to one model. */
export interface FleetApp {
  readonly model: FleetModel;
  /** Its share of all requests, in any unit. */
  readonly weight: number;
}

export interface FleetWorld {
  readonly name: WorldName;
  readonly gpus: readonly FleetGpu[];
  readonly models: readonly FleetModel[];
  readonly apps: readonly FleetApp[];
}

/** Bytes of a model of size 1. */
export const UNIT_BYTES = 2e9;

/**
 * What the tool of its card's maker would say of a GPU: the models that fit, what comes on top of each one's file, and
 * what a driver takes. Bytes.
 */
export function cardBytesOf({ memory }: FleetGpu): number {
  return memory * 1.2 * UNIT_BYTES + 500e6;
}

export const WORLD_NAMES = ['main', 'equal', 'six'] as const;
export type WorldName = (typeof WORLD_NAMES)[number];

const SMALL = model('small', 400, 17, 0.8);
const MEDIUM = model('medium', 1000, 21, 1.0);
const LARGE = model('large', 2500, 25, 1.2);

/** The fleets that choosing is measured on. */
export const WORLDS: Readonly<Record<WorldName, FleetWorld>> = {
  /** The one that the bounds were set for. */
  main: {
    name: 'main',
    gpus: [gpu(4, 2), gpu(2, 2), gpu(1, 1)],
    models: [SMALL, MEDIUM, LARGE],
    apps: [SMALL, SMALL, SMALL, MEDIUM, MEDIUM, MEDIUM, LARGE, LARGE].map((one) => ({
      model: one,
      weight: 1,
    })),
  },
  equal: {
    name: 'equal',
    gpus: [gpu(3, 2), gpu(3, 2)],
    models: [SMALL, MEDIUM, LARGE],
    apps: [SMALL, SMALL, SMALL, MEDIUM, MEDIUM, MEDIUM, LARGE, LARGE].map((one) => ({
      model: one,
      weight: 1,
    })),
  },
  six: sixGpus(),
};

/** Six GPUs, eight models, each asked for half as often as its rank says (Zipf). */
function sixGpus(): FleetWorld {
  const models = Array.from({ length: 8 }, (_, i) =>
    model(`model-${i + 1}`, 400 + 300 * i, 16 + 2 * ((3 * i) % 8), 0.25 + 0.03 * i),
  );
  const gpus = [gpu(4, 3), gpu(4, 2), gpu(2, 2), gpu(2, 2), gpu(1, 1), gpu(1, 1)];
  return { name: 'six', gpus, models, apps: models.map((one, i) => ({ model: one, weight: 1 / (i + 1) })) };
}

function model(
  name: string,
  loadMs: number,
  decodeMsPerToken: number,
  prefillMsPerToken: number,
): FleetModel {
  return { name, loadMs, size: 1, decodeMsPerToken, prefillMsPerToken };
}

function gpu(speed: number, memory: number): FleetGpu {
  return { speed, memory };
}
