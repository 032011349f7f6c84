import type { UIMessage } from "ai";
import type { ReactNode } from "react";
import type { DocumentsOutput } from "../tools/ask-my-documents.ts";
import type { BuyOutput } from "../tools/buy.ts";
import { Icon, type IconName } from "./icons.tsx";

type AnyToolPart = Extract<UIMessage["parts"][number], { toolCallId: string }>;

/** How each tool is spoken of: while it runs, when it has run, and by what right. */
const LOOKS: Readonly<Record<string, { icon: IconName; doing: string; done: string; right: string }>> = {
  whoAmI: {
    icon: "person",
    doing: "Looking at your login",
    done: "Looked at your login",
    right: "from the ID token of this session",
  },
  myPastOrders: {
    icon: "box",
    doing: "Asking the shop",
    done: "Asked the shop",
    right: "with your own access token",
  },
  listMyEvents: {
    icon: "calendar",
    doing: "Reading your calendar",
    done: "Read your calendar",
    right: "with a fresh token that is not kept",
  },
  buy: {
    icon: "bag",
    doing: "Preparing the purchase",
    done: "Asked for your approval",
    right: "of exactly this purchase",
  },
  askMyDocuments: {
    icon: "page",
    doing: "Searching your documents",
    done: "Searched your documents",
    right: "only those you may read",
  },
};

interface Props {
  part: AnyToolPart;
  name: string;
  answering: boolean;
}

/** What the assistant did, in one line that can be opened; with a receipt or sources where there are some. */
export function ToolPart({ part, name, answering }: Props): ReactNode {
  const look = LOOKS[name] ?? { icon: "check", doing: name, done: name, right: "" };
  const { state } = part;
  const failed = state === "output-error";
  const finished = state === "output-available";
  if (!finished && !failed) {
    return (
      <p className={answering ? "step running" : "step"}>
        <Icon name={look.icon} />
        <span>{answering ? `${look.doing}…` : `${look.doing}: cut off`}</span>
      </p>
    );
  }
  return (
    <>
      <details className={failed ? "step failed" : "step"}>
        <summary>
          <Icon name={look.icon} />
          <span>
            {failed ? `${look.doing}: that failed` : look.done} {!failed && <small>{look.right}</small>}
          </span>
        </summary>
        <pre>{JSON.stringify(failed ? part.errorText : part.output, null, 2)}</pre>
      </details>
      {finished && name === "buy" && (
        <Receipt input={part.input as BuyInput} output={part.output as BuyOutput} />
      )}
      {finished && name === "askMyDocuments" && <Sources output={part.output as DocumentsOutput} />}
    </>
  );
}

/** What the model asked for, in its own words. */
interface BuyInput {
  item: string;
  quantity?: number;
}

function Receipt({ input, output }: { input: BuyInput; output: BuyOutput }): ReactNode {
  if (output.status !== "bought") {
    const denied = output.status === "denied";
    const wish = `${input.quantity ?? 1} × ${input.item}`;
    return (
      <div className="card outcome no">
        <Icon name={denied ? "cross" : "clock"} />
        <p>
          <strong>
            {denied
              ? "You said no"
              : output.status === "expired"
                ? "Nobody answered in time"
                : "Not approved"}
          </strong>
          <span>{wish} was not bought.</span>
        </p>
      </div>
    );
  }
  const { order, name } = output;
  return (
    <div className="card outcome yes">
      <Icon name="check" />
      <p>
        <strong>
          {order.quantity} × {name}
        </strong>
        <span>
          Approved by you and ordered as <code>{order.id}</code>
        </span>
      </p>
      <b className="amount">
        {order.amount} {order.currency}
      </b>
    </div>
  );
}

function Sources({ output: { passages } }: { output: DocumentsOutput }): ReactNode {
  const names = [...new Set(passages.map(({ document }) => document))];
  if (names.length === 0) return null;
  return (
    <ul className="sources" aria-label="Documents that were read">
      {names.map((name) => (
        <li key={name}>{name}</li>
      ))}
    </ul>
  );
}
