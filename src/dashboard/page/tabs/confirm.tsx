import type { ComponentChildren } from 'preact';
import { useLayoutEffect, useRef } from 'preact/hooks';

interface ConfirmProps {
  readonly title: string;
  readonly children: ComponentChildren;
  /** What the button says that goes on. */
  readonly act: string;
  readonly onAct: () => void;
  /** What the other one says. */
  readonly keep: string;
  /** What is done cannot be undone. */
  readonly isBad?: boolean;
  readonly onClose: () => void;
}

/** Asks before something that costs or cannot be taken back; whoever presses Escape or Enter at once has it left alone. */
export function Confirm({ title, children, act, onAct, keep, isBad, onClose }: ConfirmProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  // Before the next key is pressed.
  useLayoutEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} class="card" aria-labelledby="confirm-title" onClose={onClose}>
      <h2 id="confirm-title">{title}</h2>
      {children}
      <div class="acts">
        <button type="button" onClick={() => dialog.current?.close()}>
          {keep}
        </button>
        <button
          type="button"
          class={isBad ? 'bad' : ''}
          onClick={() => {
            onAct();
            dialog.current?.close();
          }}
        >
          {act}
        </button>
      </div>
    </dialog>
  );
}
