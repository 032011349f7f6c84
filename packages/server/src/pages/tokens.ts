/** The design tokens and the one style sheet of every page the server renders. Nothing is loaded from elsewhere. */
export const styles = `
:root {
  color-scheme: light dark;
  --ink: #16181d; --ink-soft: #545b68; --paper: #ffffff; --ground: #f3f4f7; --line: #d5d9e1;
  --field: #767f8f; --main: #2347c5; --main-ink: #ffffff; --link: #2347c5; --danger: #b3261e; --good: #14653a;
  --quote: #eef1f7; --focus: #3f63e0; --radius: 12px; --space: 1rem;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ink: #eceef3; --ink-soft: #a9b0be; --paper: #1a1d24; --ground: #101217; --line: #353b47;
    --main: #8fa8ff; --main-ink: #0d1330; --link: #8fa8ff; --danger: #ff9a92; --good: #7fd6a4; --quote: #232833;
    --field: #7d8799; --focus: #a9bcff;
  }
}
* { box-sizing: border-box; } [hidden] { display: none !important; }
html { font: 16px/1.55 system-ui, -apple-system, "Segoe UI", "Hiragino Sans", "Noto Sans JP", sans-serif; }
body { margin: 0; min-height: 100vh; background: var(--ground); color: var(--ink); display: flex; flex-direction: column; }
main { width: 100%; max-width: 27rem; margin: auto; padding: calc(var(--space) * 1.5) var(--space); }
main.wide { max-width: 42rem; margin-top: 3vh; }
.card { background: var(--paper); border: 1px solid var(--line); border-radius: var(--radius); padding: 1.75rem; overflow-wrap: anywhere; box-shadow: 0 1px 2px rgb(0 0 0 / 5%), 0 12px 32px rgb(16 24 48 / 6%); }
.card + .card { margin-top: var(--space); }
h1 { font-size: 1.45rem; line-height: 1.25; margin: 0 0 .35rem; letter-spacing: -.01em; }
h2 { font-size: 1.05rem; margin: 1.5rem 0 .5rem; }
p { margin: .5rem 0; } .soft { color: var(--ink-soft); } .small { font-size: .875rem; }
.brand { display: flex; align-items: center; gap: .55rem; font-weight: 650; margin-bottom: 1.25rem; color: var(--ink); text-decoration: none; }
.brand svg { width: 1.6rem; height: 1.6rem; flex: none; } .brand img { height: 2rem; max-width: 60%; object-fit: contain; object-position: left; flex: none; }
label { display: block; font-weight: 600; margin-top: 1rem; }
input[type=text], input[type=email], input[type=password], input[type=tel] { width: 100%; font: inherit; font-weight: 400; padding: .7rem .8rem; margin-top: .3rem; border: 1px solid var(--field); border-radius: 8px; background: var(--paper); color: var(--ink); }
input[aria-invalid] { border-color: var(--danger); border-width: 2px; }
.hint { display: block; font-weight: 400; color: var(--ink-soft); font-size: .875rem; }
button, .button { display: inline-block; font: inherit; font-weight: 600; text-align: center; text-decoration: none; padding: .75rem 1.1rem; border-radius: 8px; border: 1px solid var(--link); background: var(--main); color: var(--main-ink); cursor: pointer; }
button.plain, .button.plain { background: transparent; color: var(--ink); border-color: var(--field); }
button.deny { background: var(--danger); border-color: var(--danger); color: var(--paper); }
button.danger { background: transparent; color: var(--danger); border-color: var(--danger); }
button.link { padding: 0; border: 0; background: none; color: var(--link); font-weight: 400; text-decoration: underline; }
p.code { margin: 1rem 0; padding: 1rem; text-align: center; font-size: 1.9rem; font-weight: 700; letter-spacing: .2em; background: var(--quote); border-radius: 8px; font-variant-numeric: tabular-nums; }
button:hover, .button:hover { filter: brightness(1.07); }
.actions { display: flex; flex-wrap: wrap; gap: .75rem; margin-top: 1.5rem; } .actions > * { flex: 1 1 9rem; } .actions form > button { width: 100%; }
input.autofill[type] { position: absolute; width: 1px; height: 1px; opacity: 0; pointer-events: none; border: 0; padding: 0; }
.who { display: flex; flex-wrap: wrap; gap: .25rem .75rem; align-items: baseline; justify-content: space-between; padding: .6rem .8rem; background: var(--quote); border-radius: 8px; margin-top: 1rem; }
.divider { display: flex; align-items: center; gap: .75rem; color: var(--ink-soft); font-size: .875rem; margin: 1.5rem 0 0; } .divider::before, .divider::after { content: ""; flex: 1; border-top: 1px solid var(--line); }
ul.ways { list-style: none; margin: 1rem 0 0; padding: 0; display: grid; gap: .6rem; } ul.ways .button, ul.ways button { width: 100%; }
nav.account { display: flex; flex-wrap: wrap; gap: .25rem 1rem; font-size: .9rem; align-items: baseline; margin: -.5rem 0 1.25rem; padding-bottom: .75rem; border-bottom: 1px solid var(--line); }
nav.account a { text-decoration: none; color: var(--ink-soft); } nav.account a[aria-current] { color: var(--ink); font-weight: 650; }
nav.account a.end { margin-left: auto; }
a { color: var(--link); } :focus-visible { outline: 3px solid var(--focus); outline-offset: 2px; }
.alert { border: 1px solid var(--danger); color: var(--danger); border-radius: 8px; padding: .65rem .8rem; margin: 1rem 0 0; }
.notice { border: 1px solid var(--good); color: var(--good); border-radius: 8px; padding: .65rem .8rem; margin: 1rem 0 0; }
ul.plain { list-style: none; margin: 1rem 0 0; padding: 0; }
ul.plain > li { padding: .7rem 0; border-top: 1px solid var(--line); } ul.plain > li:first-child { border-top: 0; }
ul.plain > li > form { margin-top: .9rem; }
li.row { display: flex; flex-wrap: wrap; gap: .5rem 1rem; align-items: center; justify-content: space-between; } li.row > div { flex: 1 1 12rem; } li.row .small { display: block; } li.row form { margin: 0 !important; }
section[aria-labelledby] + section[aria-labelledby] { border-top: 1px solid var(--line); margin-top: 1.5rem; } .choices > * { flex-basis: 100%; }
.qr { width: 13rem; max-width: 100%; margin: 1rem auto; padding: .5rem; background: #fff; border-radius: 8px; } .qr svg { display: block; width: 100%; }
ul.codes { list-style: none; padding: 1rem; margin: 1rem 0; display: grid; grid-template-columns: repeat(auto-fit, minmax(min(10rem, 100%), 1fr)); gap: .4rem 1rem; background: var(--quote); border-radius: 8px; }
form.inline { display: flex; gap: .75rem; align-items: end; } form.inline > label { flex: 1; }
ul.checks { list-style: none; padding: 0; margin: 1rem 0; } ul.checks > li { padding: .35rem 0 .35rem 1.75rem; position: relative; }
ul.checks > li::before { content: "✓"; position: absolute; left: .2rem; color: var(--good); font-weight: 700; }
dl.facts { display: grid; grid-template-columns: fit-content(40%) 1fr; gap: .5rem 1rem; margin: 1rem 0; } dl.facts dt { color: var(--ink-soft); } dl.facts dd { margin: 0; font-weight: 600; overflow-wrap: anywhere; }
h3 { font-size: 1.15rem; margin: 0 0 .6rem; }
section.sheet { border: 1px solid var(--line); border-left: 4px solid var(--link); border-radius: 10px; padding: 1rem 1.1rem; margin: .75rem 0; }
dl.rows { margin: 0; } dl.rows > dt { margin-top: .55rem; } dl.rows > dd { margin: 0; font-size: 1.05rem; }
details { margin-top: .8rem; } summary { cursor: pointer; color: var(--ink-soft); }
blockquote { margin: 1rem 0; padding: .7rem 1rem; background: var(--quote); border-left: 3px solid var(--line); border-radius: 0 8px 8px 0; overflow-wrap: anywhere; }
footer { text-align: center; padding: 1rem; font-size: .875rem; color: var(--ink-soft); } footer a { margin: 0 .4rem; color: inherit; }
@media (max-width: 30rem) { main { padding: 0; margin: 0; } .card { border: 0; border-radius: 0; box-shadow: none; min-height: 60vh; padding: 1.5rem 1.25rem; } body { background: var(--paper); } }
@media (forced-colors: active) { .qr { forced-color-adjust: none; } .card, section.sheet { border: 1px solid; } :focus-visible { outline-color: Highlight; } }
@media (prefers-reduced-motion: no-preference) { button, .button { transition: filter .12s; } }
`;
