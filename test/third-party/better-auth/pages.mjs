// The pages that better-auth leaves to its host. Forms, so that they work without JavaScript.

const ENTITIES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
const inHtml = (text) => text.replace(/[&<>"']/g, (char) => ENTITIES[char]);

function page(title, form) {
  const document = `<!doctype html><html lang="en"><title>${title}</title><h1>${title}</h1>${form}</html>`;
  return new Response(document, { headers: { "content-type": "text/html; charset=utf-8" } });
}

/** Who are you? `query` is better-auth's signed query, which goes back to it as it came. */
export const loginPage = (query) =>
  page(
    "Log in to Notes",
    `<form method="post" action="/login"><input type="hidden" name="query" value="${inHtml(query)}">
<label>Email <input type="email" name="email"></label>
<label>Password <input type="password" name="password"></label><button>Log in</button></form>`,
  );

/** May the application do this? */
export function consentPage(query) {
  const scopes = new URLSearchParams(query).get("scope") ?? "";
  const wishes = scopes.split(" ").map((scope) => `<li>${inHtml(scope)}</li>`);
  return page(
    "Allow access to your notes",
    `<form method="post" action="/consent"><input type="hidden" name="query" value="${inHtml(query)}">
<ul>${wishes.join("")}</ul><button name="decision" value="deny">Deny</button>
<button name="decision" value="allow">Allow</button></form>`,
  );
}
