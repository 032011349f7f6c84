import { type ReactNode, useEffect, useRef } from "react";
import type { Bootstrap } from "../bootstrap.ts";
import { Icon, type IconName, Mark } from "./icons.tsx";

interface HeaderProps {
  bootstrap: Bootstrap;
  /** What this conversation is about, once somebody has said something. */
  title: string | undefined;
}

/** The bar at the top: the app, its conversations, and who is logged in. */
export function Header({ bootstrap: { person, chats, chat, model }, title }: HeaderProps): ReactNode {
  return (
    <header className="bar">
      <a className="brand" href="/chat">
        <Mark />
        <span>Assistant</span>
      </a>
      <span className={model.offline ? "model offline" : "model"} title="What answers here">
        {model.label}
      </span>
      <nav aria-label="Conversations and account">
        <Menu label="Conversations" icon="chats">
          <form method="post" action="/chat">
            <button type="submit">
              <Icon name="plus" />
              Start a new one
            </button>
          </form>
          <ul>
            {chats.map((other) => (
              <li key={other.id}>
                <a href={`/chat/${other.id}`} aria-current={other.id === chat.id ? "page" : undefined}>
                  {other.id === chat.id ? (title ?? other.title) : other.title}
                </a>
              </li>
            ))}
          </ul>
        </Menu>
        <Menu label={person.name} icon="person" showLabel>
          <p className="who">
            <strong>{person.name}</strong>
            {person.email && person.email !== person.name && <span>{person.email}</span>}
          </p>
          <form method="post" action="/auth/logout">
            <button type="submit">
              <Icon name="out" />
              Log out
            </button>
          </form>
        </Menu>
      </nav>
    </header>
  );
}

interface MenuProps {
  label: string;
  icon: IconName;
  showLabel?: boolean;
  children: ReactNode;
}

/** Opens with a click or a key; closes with Escape, or when something else is used. */
function Menu({ label, icon, showLabel = false, children }: MenuProps): ReactNode {
  const menu = useRef<HTMLDetailsElement>(null);
  useEffect(() => {
    const close = (event: Event) => {
      const details = menu.current;
      if (!details?.open) return;
      const escaped = event instanceof KeyboardEvent && event.key === "Escape";
      const outside = !(event instanceof KeyboardEvent) && !details.contains(event.target as Node);
      if (!escaped && !outside) return;
      details.open = false;
      if (escaped) details.querySelector("summary")?.focus();
    };
    const events = ["keydown", "pointerdown", "focusin"] as const;
    for (const name of events) document.addEventListener(name, close);
    return () => {
      for (const name of events) document.removeEventListener(name, close);
    };
  }, []);
  return (
    <details className="menu" ref={menu}>
      <summary aria-label={label}>
        <Icon name={icon} />
        {showLabel && <span className="menu-label">{label}</span>}
      </summary>
      <div className="menu-sheet">{children}</div>
    </details>
  );
}
