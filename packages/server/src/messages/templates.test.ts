import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { languageNames, languageOf } from "../pages/languages/index.ts";
import { renderMail } from "./render.ts";
import { composeMail, composeText, type MailTemplate, type MailValues, mailTemplates } from "./templates.ts";

const ISSUER = "https://id.example.com/";
const NAME = `<b>Mallory</b>\r\nBcc: all@evil.example \u202e https://evil.example/x www.evil.example`;
/** Values as hostile as they come: names are anybody's choice. */
const VALUES: { readonly [T in MailTemplate]: MailValues[T] } = {
  login_code: { code: "482913", path: "/login/link?t=a&b=<c>" },
  verify_email: { path: "/verify?t=a&b=c", code: "482913", name: NAME },
  password_reset: { path: "/reset?t=a&b=c", name: NAME },
  password_changed: { path: "/profile", name: NAME },
  new_login_method: { path: "/profile", change: "added", method: "passkey", label: NAME, name: NAME },
  organization_invitation: { path: "/invitations/x", organization: NAME, inviter: NAME },
  email_in_use: { path: "/login", name: NAME },
  no_account: { path: "/signup" },
  email_changed: { path: "/profile", name: NAME },
  account_linked: { path: "/profile", provider: NAME, name: NAME },
  test: {},
};

const plain = (text: string) =>
  text.replace(/&(lt|gt|quot|#39|amp);/g, (_, name) =>
    String({ lt: "<", gt: ">", quot: '"', "#39": "'", amp: "&" }[String(name)]),
  );
const urlsOf = (text: string) => new Set(text.match(/https?:\/\/[^\s"<]+/g) ?? []);

async function render<T extends MailTemplate>(template: T, tag: string, values: MailValues[T]) {
  const language = languageOf(tag);
  const content = composeMail(template, values, { language, issuer: ISSUER, lifeMs: 600_000 });
  return renderMail(content, { language, host: "id.example.com", brand: { name: "Behalf" } });
}

for (const [tag] of languageNames)
  describe(`mails in ${tag}`, () => {
    for (const template of mailTemplates)
      it(`${template} says the same as text and as HTML, with nothing missing and nothing slipped in`, async () => {
        const mail = await render(template, tag, VALUES[template]);
        assert.match(mail.subject, /^[^\r\n\p{Cc}]{3,100}$/u);
        for (const form of [mail.text, plain(mail.html)]) {
          assert.doesNotMatch(form, /undefined|\[object|NaN|\$\{/);
          assert.doesNotMatch(form, /[\u202a-\u202e\u2066-\u2069\r]/);
          assert.doesNotMatch(form, /evil\.example/, "a name does not become an address");
        }
        assert.doesNotMatch(mail.html, /<b>|<img|<script|<link|src=|\son\w+=/i);
        const [inText, inHtml] = [urlsOf(mail.text), urlsOf(plain(mail.html))];
        assert.deepEqual(inHtml, inText);
        for (const url of inText) assert.ok(url.startsWith(ISSUER), url);
        const values = VALUES[template] as { path?: string; code?: string };
        assert.equal(inText.size, values.path === undefined ? 0 : 1);
        if (values.code) for (const form of [mail.text, mail.html]) assert.ok(form.includes(values.code));
      });

    it("a text binds its code to this site in its last line", () => {
      const language = languageOf(tag);
      const text = composeText(
        "login_code",
        { code: "482913" },
        { language, issuer: ISSUER, lifeMs: 600_000 },
      );
      assert.equal(text.split("\n").at(-1), "@id.example.com #482913");
      assert.ok(text.length <= 140, `${text.length} characters`);
      assert.match(text, /10/);
    });
  });

describe("the brand of a mail", () => {
  it("is its name, escaped, and a button in its colour with a text that can be read", async () => {
    const language = languageOf("en");
    const content = composeMail(
      "verify_email",
      { path: "/x" },
      { language, issuer: ISSUER, lifeMs: 600_000 },
    );
    const brand = { name: "Acme <b>& Sons", colours: { main: "#ffd400" } };
    const { html } = await renderMail(content, { language, host: "id.example.com", brand });
    assert.match(html, /Acme &lt;b&gt;&amp; Sons/);
    assert.match(html, /background:#ffd400;color:#000000/);
    assert.doesNotMatch(html, /Behalf|<b>/);
  });
});

describe("what a message may carry", () => {
  for (const path of ["//evil.example/", "/../..//evil.example", "/\\evil.example", "@evil.example/"])
    it(`never leads elsewhere: ${path}`, async () => {
      const issuer = "https://id.example.com/";
      try {
        const { text } = await render("verify_email", "en", { path });
        for (const url of urlsOf(text)) assert.equal(new URL(url).host, "id.example.com");
        assert.ok([...urlsOf(text)].every((url) => url.startsWith(issuer)));
      } catch (error) {
        assert.match(String(error), /leads to the issuer/);
      }
    });

  for (const code of ["12\n34", "<b>1234</b>", "", "1 2 3 4", "x".repeat(65)])
    it(`refuses the code ${JSON.stringify(code)}`, async () => {
      await assert.rejects(render("login_code", "en", { code }), /a code is letters/);
    });
});
