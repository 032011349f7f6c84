/** The provider's own look: not that of the server in front of it, so that a person sees who is asking. */
export const STYLE = `
:root { color-scheme: light dark; --ink: #1c2430; --soft: #5b6675; --paper: #ffffff; --ground: #eef1f5;
  --line: #d5dbe3; --accent: #0b6b57; --on-accent: #ffffff; --tint: #e3f2ee; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8edf3; --soft: #a3afbd; --paper: #1b222b; --ground: #11161c;
  --line: #36414e; --accent: #4fc3a5; --on-accent: #06251d; --tint: #1d3530; } }
* { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; display: flex; flex-direction: column; align-items: center;
  justify-content: center; gap: 16px; padding: 24px 16px; background: var(--ground); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; }
main { width: 100%; max-width: 440px; padding: 28px; background: var(--paper); border: 1px solid var(--line);
  border-radius: 16px; }
header { display: flex; align-items: center; gap: 10px; color: var(--soft); font-weight: 600; font-size: 14px; }
.mark { width: 22px; height: 22px; border-radius: 6px; border: 2px solid var(--accent);
  border-top-width: 8px; }
h1 { margin: 16px 0 4px; font-size: 24px; line-height: 1.25; }
h2, legend { margin: 0; padding: 0; font-size: 14px; font-weight: 600; color: var(--soft); }
h2 { margin-top: 20px; }
.lead { margin: 0 0 20px; overflow-wrap: anywhere; }
fieldset { margin: 0; padding: 0; border: 0; }
legend { margin-bottom: 8px; }
.account { display: flex; align-items: center; gap: 12px; padding: 12px; margin-top: 8px;
  border: 1px solid var(--line); border-radius: 12px; cursor: pointer; }
.account:has(:checked) { border-color: var(--accent); background: var(--tint); }
.account:has(:focus-visible), button:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
.account input { width: 18px; height: 18px; margin: 0; accent-color: var(--accent); }
.who { flex: 1; min-width: 0; display: flex; flex-direction: column; line-height: 1.3; }
.name { display: flex; justify-content: space-between; gap: 12px; align-items: baseline; }
.email { color: var(--soft); font-size: 14px; overflow-wrap: anywhere; }
.tag { font-size: 13px; color: var(--soft); }
@media (max-width: 420px) { main { padding: 20px; } }
ul { margin: 8px 0 0; padding: 0; list-style: none; }
li { padding: 6px 0 6px 28px; position: relative; }
li::before { content: ""; position: absolute; left: 6px; top: 12px; width: 6px; height: 11px;
  border: solid var(--accent); border-width: 0 2px 2px 0; transform: rotate(40deg); }
.where { margin: 16px 0 0; color: var(--soft); font-size: 14px; overflow-wrap: anywhere; }
.where strong { color: var(--ink); }
.answers { display: flex; gap: 12px; margin-top: 20px; }
button { flex: 1; min-height: 48px; padding: 0 16px; font: inherit; font-weight: 600; border-radius: 12px;
  border: 1px solid var(--line); background: transparent; color: var(--ink); cursor: pointer; }
button.main { border-color: var(--accent); background: var(--accent); color: var(--on-accent); }
footer { max-width: 440px; color: var(--soft); font-size: 13px; text-align: center; }
`;
