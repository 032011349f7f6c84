/**
 * oidc-provider warns at import on any Node release without a long-term-support label, the pinned one among
 * them, although every test of ours runs on it. That one sentence is dropped, once; others pass.
 * Import this before anything that imports oidc-provider.
 */
const warn = console.warn;
console.warn = (...parts: unknown[]) => {
  if (!String(parts[0]).includes("Unsupported runtime. Use Node.js")) return warn(...parts);
  console.warn = warn;
};
