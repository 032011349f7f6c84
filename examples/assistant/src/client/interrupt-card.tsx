import { type InterruptData, repairPath } from "@behalf/sdk/vercel/client";
import { type MouseEvent, type ReactNode, useEffect, useState } from "react";
import type { Bootstrap } from "../bootstrap.ts";
import { Countdown } from "./countdown.tsx";
import { Icon } from "./icons.tsx";
import type { Assistant } from "./use-assistant.ts";

interface Props {
  interrupt: InterruptData;
  input: unknown;
  assistant: Assistant;
  bootstrap: Bootstrap;
}

/** What only the person can do, with the one thing to press. */
export function InterruptCard(props: Props): ReactNode {
  const { code } = props.interrupt;
  if (code.startsWith("approval.")) return <ApprovalCard {...props} />;
  if (code === "vault.account_ambiguous") return <AccountCard {...props} />;
  if (code === "login.required") return <LoginCard {...props} />;
  return <ConnectCard {...props} />;
}

function ApprovalCard({ interrupt, input, assistant, bootstrap }: Props): ReactNode {
  const quote = useQuote(input);
  const { approval } = interrupt;
  if (!approval) return null;
  const href = bootstrap.approvalsUrl + encodeURIComponent(approval.id);
  return (
    <section className="card ask" aria-label="Your approval is needed">
      <header>
        <Icon name="shield" />
        <h3>Your approval is needed</h3>
        <Countdown until={approval.expiresAt} />
      </header>
      <div className="bill">
        <p>
          <strong>{quote ? `${quote.quantity} × ${quote.name}` : "A purchase at the shop"}</strong>
          <span>at the shop</span>
        </p>
        {quote && (
          <b className="amount">
            {quote.amount} {quote.currency}
          </b>
        )}
      </div>
      <p className="soft">
        You answer on a page of <strong>{bootstrap.issuerName}</strong>, which I cannot touch. It shows
        exactly what will be ordered.
      </p>
      <div className="actions">
        <WindowLink href={href} name={`approval-${approval.id}`} onClosed={assistant.resumeNow}>
          Review and answer
        </WindowLink>
        <p className="waiting" role="status">
          <i aria-hidden="true" />
          {waitingText(interrupt)}
        </p>
      </div>
    </section>
  );
}

/** What stops the call just now: the person, or a server that is not there; never how often was looked. */
function waitingText({ code, message }: InterruptData): string {
  return code === "approval.pending" ? message : "Waiting for your approval of this action.";
}

const CONNECT_TEXTS: Readonly<Record<string, readonly [string, string, string]>> = {
  "vault.not_connected": [
    "Connect your calendar",
    "To see your events I need your calendar. You log in there yourself; I get a token for each look and never your password.",
    "Connect calendar",
  ],
  "vault.scope_missing": [
    "Allow one more thing",
    "Your calendar is connected, but it has not granted everything that this needs.",
    "Review access",
  ],
  "vault.account_broken": [
    "Connect your calendar again",
    "Your calendar no longer grants access. It may have been removed there.",
    "Connect again",
  ],
};
const SCOPES: Readonly<Record<string, string>> = { "calendar.read": "See the events in your calendar" };

function ConnectCard({ interrupt, assistant }: Props): ReactNode {
  const [title, text, action] = CONNECT_TEXTS[interrupt.code] ?? [
    "You are needed",
    interrupt.message,
    "Go on",
  ];
  const refused = useConnectError();
  const href = repairPath(interrupt, { returnTo: "/connected" });
  return (
    <section className="card ask" aria-label={title}>
      <header>
        <Icon name="link" />
        <h3>{title}</h3>
      </header>
      <p>{text}</p>
      <ul className="scopes">
        {(interrupt.requiredScopes ?? []).map((scope) => (
          <li key={scope}>{SCOPES[scope] ?? scope}</li>
        ))}
      </ul>
      {refused && (
        <p className="refused" role="status">
          {refused === "access_denied" ? "You did not allow the access." : "It was not completed."} Nothing
          was changed; you can try again.
        </p>
      )}
      <div className="actions">
        {href && (
          <WindowLink href={href} name="connect" onClosed={assistant.resumeNow}>
            {action}
          </WindowLink>
        )}
        <button type="button" className="button plain" onClick={() => assistant.send("Not now")}>
          Not now
        </button>
      </div>
    </section>
  );
}

function AccountCard({ interrupt, assistant }: Props): ReactNode {
  return (
    <section className="card ask" aria-label="Choose an account">
      <header>
        <Icon name="calendar" />
        <h3>Which calendar?</h3>
      </header>
      <p>You have connected several. Choose the one I shall read; I remember it.</p>
      <ul className="accounts">
        {(interrupt.accounts ?? []).map(({ id, label, loginHint }) => (
          <li key={id}>
            <button type="button" onClick={() => void assistant.chooseAccount(loginHint)}>
              {label}
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}

function LoginCard({ interrupt, bootstrap }: Props): ReactNode {
  return (
    <section className="card ask" aria-label="Log in again">
      <header>
        <Icon name="person" />
        <h3>Log in again</h3>
      </header>
      <p>Your login has ended. After it, I go on where I stopped.</p>
      <div className="actions">
        <a className="button" href={repairPath(interrupt, { returnTo: `/chat/${bootstrap.chat.id}` })}>
          Log in
        </a>
      </div>
    </section>
  );
}

interface WindowLinkProps {
  href: string;
  name: string;
  onClosed: () => void;
  children: ReactNode;
}

const WINDOW_FEATURES = "popup,width=520,height=780";
const CLOSED_POLL_MS = 400;

/** A link that opens a small window beside the conversation; a new tab where the browser does not want that. */
function WindowLink({ href, name, onClosed, children }: WindowLinkProps): ReactNode {
  const [opened, setOpened] = useState<Window>();
  useEffect(() => {
    if (!opened) return;
    const timer = setInterval(() => {
      if (!opened.closed) return;
      setOpened(undefined);
      onClosed();
    }, CLOSED_POLL_MS);
    return () => clearInterval(timer);
  }, [opened, onClosed]);
  const open = (event: MouseEvent) => {
    if (event.metaKey || event.ctrlKey || event.shiftKey) return;
    const popup = window.open(href, name, WINDOW_FEATURES);
    if (!popup) return;
    event.preventDefault();
    popup.focus();
    setOpened(popup);
  };
  return (
    <a className="button" href={href} target="_blank" rel="noopener opener" onClick={open}>
      {children}
    </a>
  );
}

interface Quote {
  name: string;
  quantity: number;
  amount: string;
  currency: string;
}

/** What the purchase costs by the shop's catalogue; the page that asks shows its own, binding figure. */
function useQuote(input: unknown): Quote | undefined {
  const [quote, setQuote] = useState<Quote>();
  const { item = "", quantity = 1 } = (input ?? {}) as { item?: string; quantity?: number }; // `buy`'s input
  useEffect(() => {
    const gone = new AbortController();
    const query = new URLSearchParams({ item, quantity: String(quantity) });
    fetch(`/api/quote?${query}`, { signal: gone.signal })
      .then((response) => (response.ok ? response.json() : undefined))
      .then((found) => found && setQuote({ ...found, quantity }))
      .catch(() => undefined); // the card then shows no price; the approval page always does
    return () => gone.abort();
  }, [item, quantity]);
  return quote;
}

/** What the window for connecting reported when it did not work. */
function useConnectError(): string | undefined {
  const [error, setError] = useState<string>();
  useEffect(() => {
    const channel = new BroadcastChannel("assistant");
    channel.onmessage = ({ data }) => {
      if (data?.type === "connected") setError(data.error);
    };
    return () => channel.close();
  }, []);
  return error;
}
