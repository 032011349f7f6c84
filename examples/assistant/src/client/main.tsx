import { createRoot } from "react-dom/client";
import type { Bootstrap } from "../bootstrap.ts";
import { App } from "./app.tsx";

const root = document.getElementById("app");
const data = document.getElementById("bootstrap")?.textContent;
// The server wrote it into this very page.
if (root && data) createRoot(root).render(<App bootstrap={JSON.parse(data) as Bootstrap} />);
