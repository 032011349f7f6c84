import { type ReactNode, useEffect, useState } from "react";

/** The time that is left, minute and second; a screen reader hears it when it looks, not every second. */
export function Countdown({ until }: { until: string }): ReactNode {
  const end = Date.parse(until);
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1_000);
    return () => clearInterval(timer);
  }, []);
  const seconds = Math.max(0, Math.ceil((end - now) / 1000));
  const text = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
  return (
    <span className="countdown" role="timer" aria-live="off">
      {seconds > 0 ? (
        <>
          <span className="visually-hidden">Time left: </span>
          {text}
        </>
      ) : (
        "Time is over"
      )}
    </span>
  );
}
