import { type RefObject, useEffect, useRef } from "react";

/** Closer to the end than this counts as being there, in pixels. */
const NEAR_PX = 90;
/** What grows this long after the last change (a price that is looked up) still belongs to it. */
const SETTLING_MS = 1_500;
/** After a wheel or a key the page needs a moment to scroll. */
const SCROLL_MS = 120;

/**
 * Keeps the end in sight while the conversation grows, unless the person has scrolled up. Only what the
 * person does decides about that: the page's own scrolling and growing would be taken for it otherwise.
 */
export function useFollow(messages: readonly unknown[]): RefObject<HTMLElement | null> {
  const thread = useRef<HTMLElement>(null);
  const following = useRef(true);
  const changedAt = useRef(0);
  const count = useRef(messages.length);

  useEffect(() => {
    changedAt.current = Date.now();
    if (messages.length > count.current) following.current = true; // somebody has just said something
    count.current = messages.length;
    if (following.current) toEnd();
  }, [messages]);

  useEffect(() => {
    const look = (event: Event) => {
      const writes = event.type === "keydown" && event.target instanceof HTMLTextAreaElement;
      if (!writes) setTimeout(() => (following.current = isNearEnd()), SCROLL_MS);
    };
    const events = ["wheel", "touchmove", "keydown"] as const;
    for (const name of events) addEventListener(name, look, { passive: true });
    const observer = new ResizeObserver(() => {
      if (following.current && Date.now() - changedAt.current < SETTLING_MS) toEnd();
    });
    if (thread.current) observer.observe(thread.current);
    return () => {
      for (const name of events) removeEventListener(name, look);
      observer.disconnect();
    };
  }, []);
  return thread;
}

function toEnd(): void {
  scrollTo({ top: document.documentElement.scrollHeight });
}

function isNearEnd(): boolean {
  const { scrollHeight, clientHeight, scrollTop } = document.documentElement;
  return scrollHeight - clientHeight - scrollTop < NEAR_PX;
}
