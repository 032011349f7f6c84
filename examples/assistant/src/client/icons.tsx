import type { ReactNode } from "react";

const PATHS = {
  person: "M12 12.5a4 4 0 1 0 0-8 4 4 0 0 0 0 8Zm-7 7c.8-3.5 3.5-5 7-5s6.2 1.5 7 5",
  box: "M4 8.2 12 4l8 4.2v7.6L12 20l-8-4.2V8.2Zm0 0 8 4.1 8-4.1M12 12.3V20",
  calendar: "M5 6.5h14v13H5zM5 10.5h14M8.5 4v4M15.5 4v4",
  bag: "M6 8.5h12l.9 11H5.1L6 8.5Zm3-0V7.2a3 3 0 0 1 6 0v1.3",
  page: "M7 4h7l4 4v12H7zM14 4v4h4M9.7 12.5h5.6M9.7 16h5.6",
  shield: "M12 3.5 5 6.2v5.3c0 4.3 2.9 7.4 7 9 4.1-1.6 7-4.7 7-9V6.2L12 3.5Zm-3 8.3 2.2 2.2 4-4.3",
  link: "M10 14.5 14.5 10M8.5 11 6.3 13.2a3.2 3.2 0 0 0 4.5 4.5L13 15.5M11 8.5l2.2-2.2a3.2 3.2 0 0 1 4.5 4.5L15.5 13",
  send: "M12 19V5.5M6 11.3l6-6 6 6",
  check: "m5.5 12.5 4.2 4.2 8.8-9.4",
  cross: "m7 7 10 10M17 7 7 17",
  plus: "M12 5v14M5 12h14",
  clock: "M12 20a8 8 0 1 0 0-16 8 8 0 0 0 0 16Zm0-12.5V12l3 2",
  chats: "M4.5 5.5h11v8h-6l-3 2.7v-2.7h-2zM18 9h1.5v8h-2v2.7L14.5 17H11",
  out: "M10 4.5H5v15h5M9.5 12H20m-3.7-3.8L20 12l-3.7 3.8",
} as const;

export type IconName = keyof typeof PATHS;

/** A line icon; decoration only, so it is hidden from assistive technology. */
export function Icon({ name }: { name: IconName }): ReactNode {
  return (
    <svg className="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}

/** The app's mark. */
export function Mark(): ReactNode {
  return (
    <svg className="mark" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
      <path
        d="M16 3C8.5 3 2.5 8 2.5 14.3c0 3.6 2 6.8 5.1 8.9-.1 1.7-.8 3.4-2 4.8 2.5-.2 4.8-1.1 6.5-2.6 1.2.3 2.6.5 3.9.5 7.5 0 13.5-5.2 13.5-11.6S23.5 3 16 3Z"
        fill="currentColor"
      />
      <path className="mark-tick" d="m10.5 14.7 3.8 3.8 7.2-7.6" />
    </svg>
  );
}
