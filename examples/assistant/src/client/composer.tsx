import { type KeyboardEvent, type ReactNode, type SyntheticEvent, useEffect, useRef } from "react";
import type { Bootstrap } from "../bootstrap.ts";
import { Icon } from "./icons.tsx";
import { SUGGESTIONS } from "./welcome.tsx";

const MAX_LENGTH = 4_000;

interface Props {
  draft: string;
  onDraft: (text: string) => void;
  onSend: (text: string) => void;
  answering: boolean;
  suggest: boolean;
  model: Bootstrap["model"];
}

/** Where one writes. Enter sends, Shift and Enter begins a new line. */
export function Composer({ draft, onDraft, onSend, answering, suggest, model }: Props): ReactNode {
  const field = useRef<HTMLTextAreaElement>(null);
  const ready = draft.trim() !== "" && !answering;
  useGrowing(field, draft);
  useEffect(() => field.current?.focus({ preventScroll: true }), []);

  const submit = (event: SyntheticEvent) => {
    event.preventDefault();
    if (ready) onSend(draft.trim());
  };
  const onKeyDown = (event: KeyboardEvent) => {
    // While an input method composes a word, Enter takes the word.
    if (event.key === "Enter" && !event.shiftKey && !event.nativeEvent.isComposing) submit(event);
  };
  return (
    <footer className="composer">
      {suggest && (
        <ul className="chips" aria-label="Suggestions">
          {SUGGESTIONS.map(({ ask, icon }) => (
            <li key={ask}>
              <button type="button" disabled={answering} onClick={() => onSend(ask)}>
                <Icon name={icon} />
                {ask}
              </button>
            </li>
          ))}
        </ul>
      )}
      <form onSubmit={submit}>
        <label htmlFor="message" className="visually-hidden">
          Message to the assistant
        </label>
        <textarea
          id="message"
          ref={field}
          rows={1}
          maxLength={MAX_LENGTH}
          placeholder="Ask, or say what to buy"
          value={draft}
          onChange={(event) => onDraft(event.target.value)}
          onKeyDown={onKeyDown}
        />
        <button type="submit" className="send" disabled={!ready} aria-label="Send">
          <Icon name="send" />
        </button>
      </form>
      <p className="hint">
        {model.offline
          ? "A scripted model answers; the tools it calls are real."
          : "It asks before it does what matters."}
      </p>
    </footer>
  );
}

function useGrowing(field: React.RefObject<HTMLTextAreaElement | null>, text: string): void {
  // biome-ignore lint/correctness/useExhaustiveDependencies: the height depends on the text
  useEffect(() => {
    const element = field.current;
    if (!element) return;
    element.style.height = "auto";
    element.style.height = `${element.scrollHeight}px`;
  }, [field, text]);
}
