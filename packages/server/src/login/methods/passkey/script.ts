/**
 * The browser's side, in each page that offers passkeys: gets options, asks the authenticator, and sends its answer
 * with the form. Forms are marked `data-passkey="get"` or `"create"`; what to say of failures is in their attributes.
 */
export const passkeyScript = `(() => {
"use strict";
const api = window.PublicKeyCredential;
if (!api || !api.parseRequestOptionsFromJSON || !api.parseCreationOptionsFromJSON) return;
const REARM_MS = 240000;
let waiting;
const stopWaiting = () => { if (waiting) waiting.abort(); waiting = undefined; };
const sourceOf = (form) => form.dataset.from ? document.getElementById(form.dataset.from) : undefined;
const copyFields = (form) => {
  const source = sourceOf(form);
  if (!source) return true;
  for (const field of form.querySelectorAll("[data-copy]")) {
    const from = source.elements[field.name];
    if (!from.reportValidity()) return false;
    field.value = from.value;
  }
  return true;
};
const ask = async (form, more) => {
  const response = await fetch(form.dataset.options, { method: "POST", body: new URLSearchParams(new FormData(form)) });
  if (!response.ok) throw new Error("options");
  const options = await response.json();
  const created = form.dataset.passkey === "create";
  const credential = created
    ? await navigator.credentials.create({ publicKey: api.parseCreationOptionsFromJSON(options), ...more })
    : await navigator.credentials.get({ publicKey: api.parseRequestOptionsFromJSON(options), ...more });
  form.elements.answer.value = JSON.stringify(credential.toJSON());
  form.submit();
};
const say = (form, error, began) => {
  const { dataset } = form;
  const place = form.querySelector("[data-problem]");
  const late = error.name === "NotAllowedError" && Date.now() - began > 290000;
  place.textContent = late || error.name === "TimeoutError" ? dataset.late
    : error.name === "NotAllowedError" || error.name === "AbortError" ? dataset.cancelled
    : error.name === "InvalidStateError" ? dataset.known
    : error.name === "NotSupportedError" || error.name === "ConstraintError" ? dataset.unfit
    : dataset.failed;
  place.hidden = false;
};
const wait = async (form) => {
  stopWaiting();
  const mine = waiting = new AbortController();
  const again = setTimeout(() => { if (waiting === mine) wait(form); }, REARM_MS);
  try {
    await ask(form, { mediation: "conditional", signal: mine.signal });
  } catch (error) {
    if (!mine.signal.aborted) clearTimeout(again);
  }
};
for (const form of document.querySelectorAll("form[data-passkey]")) {
  form.hidden = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (!copyFields(form)) return;
    stopWaiting();
    const button = form.querySelector("button");
    const began = Date.now();
    form.querySelector("[data-problem]").hidden = true;
    button.disabled = true;
    try {
      await ask(form, {});
    } catch (error) {
      say(form, error, began);
      button.disabled = false;
    }
  });
}
for (const note of document.querySelectorAll("[data-without-passkeys]")) note.hidden = true;
const offered = document.querySelector("form[data-conditional]");
if (offered && api.isConditionalMediationAvailable)
  api.isConditionalMediationAvailable().then((available) => { if (available) wait(offered); });
})();`;
