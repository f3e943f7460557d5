import type { Clock } from '../clock.ts';
import { onlyAt } from '../fleet/view.ts';
import { pathOf } from '../ollama/routes.ts';
import type { LanPull } from '../proxy/lan-pull.ts';
import { ownAppTargets } from '../routing/own-app-targets.ts';
import type { ModelShelf } from '../server/model-shelf.ts';
import { TicketDoor } from '../server/ticket-door.ts';
import { localEntry, peerEntry } from './entries.ts';
import { explainLocal, explainServer } from './explain.ts';
import { ShelfPaths } from './shelf-paths.ts';
import type { PeerRules, RuleParts, Rules } from './ways.ts';

/** Apps of this machine, in server mode: they may use every server; `ollama` is the URL of this machine's own. */
export function localRules(ollama: string, lanPull: LanPull): (parts: RuleParts) => Rules {
  return ({ fleet }) => ({
    lanPull,
    explain: explainLocal(fleet, onlyAt(fleet, ollama), ollama),
    entry: localEntry,
    target: ({ route, target, named }, { model, unloads, source, unread }, pool) => {
      const about = { routeClass: route.class, path: pathOf(target), model, unloads, source, unread };
      return ownAppTargets({ ...about, named, home: undefined }, pool, ollama);
    },
  });
}

/** What other ollanas and other machines send: it runs on the Ollama at `ollama` and is never sent on. */
export function peerRules(
  ollama: string,
  clock: Clock,
  { lanPull, shelf }: { readonly lanPull: LanPull; readonly shelf: ModelShelf },
): (parts: RuleParts) => PeerRules {
  return ({ fleet, desks, emit, pairedIdOf }) => {
    const view = onlyAt(fleet, ollama);
    const desk = () => {
      const [own] = view.servers();
      return own && desks.of(own);
    };
    const door = new TicketDoor({ clock, desk, onTicket: emit });
    return {
      view,
      door,
      lanPull,
      shelf: new ShelfPaths({ clock, shelf, pairedIdOf }),
      explain: explainServer(view, ollama),
      entry: peerEntry(door, pairedIdOf),
      target: () => ({ type: 'any' }),
    };
  };
}
