import type { ReactNode } from "react";
import { Icon, type IconName } from "./icons.tsx";

interface Suggestion {
  icon: IconName;
  ask: string;
  why: string;
}

/** One for each thing that the assistant can do. */
export const SUGGESTIONS: readonly Suggestion[] = [
  { icon: "person", ask: "Who am I?", why: "from your login" },
  { icon: "box", ask: "Show my past orders", why: "with your own token for the shop" },
  { icon: "calendar", ask: "What is on my calendar this week?", why: "once you have connected it" },
  { icon: "bag", ask: "Buy a kettle", why: "once you have approved it" },
  { icon: "page", ask: "How many days of leave do I have left?", why: "from what you may read" },
];

/** The empty conversation. */
export function Welcome({ name, onPick }: { name: string; onPick: (text: string) => void }): ReactNode {
  return (
    <section className="welcome" aria-label="What you can ask">
      <h2>
        Hello, {name.split(/[\s@]/)[0]}.<br />
        <em>What shall I do?</em>
      </h2>
      <ul className="suggestions">
        {SUGGESTIONS.map(({ icon, ask, why }) => (
          <li key={ask}>
            <button type="button" onClick={() => onPick(ask)}>
              <Icon name={icon} />
              <span>
                <strong>{ask}</strong>
                <small>{why}</small>
              </span>
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}
