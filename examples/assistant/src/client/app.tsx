import { type ReactNode, useState } from "react";
import type { Bootstrap } from "../bootstrap.ts";
import type { AssistantMessage } from "../tools/index.ts";
import { Announcer } from "./announcer.tsx";
import { Composer } from "./composer.tsx";
import { Header } from "./header.tsx";
import { Icon } from "./icons.tsx";
import { takeKeptDraft, useKeepingDraft } from "./kept-draft.ts";
import { Message } from "./message.tsx";
import { type Trouble, useAssistant } from "./use-assistant.ts";
import { useFollow } from "./use-follow.ts";
import { Welcome } from "./welcome.tsx";

/** The conversation page. */
export function App({ bootstrap }: { bootstrap: Bootstrap }): ReactNode {
  const assistant = useAssistant(bootstrap);
  const [draft, setDraft] = useState(() => takeKeptDraft(bootstrap.chat.id));
  const { messages, answering, interrupts, trouble } = assistant;
  const thread = useFollow(messages);
  const empty = messages.length === 0;
  useKeepingDraft(bootstrap.chat.id, trouble?.kind === "login" ? messages.at(-1) : undefined);
  const send = (text: string) => {
    setDraft("");
    assistant.send(text);
  };
  return (
    <>
      <Header bootstrap={bootstrap} title={titleOf(messages)} />
      <main className={empty ? "thread empty" : "thread"} ref={thread}>
        <h1 className="visually-hidden">Conversation with the assistant</h1>
        {empty && <Welcome name={bootstrap.person.name} onPick={send} />}
        <ol className="messages">
          {messages.map((message, i) => (
            <Message
              key={message.id}
              message={message}
              isLast={i === messages.length - 1}
              answering={answering && i === messages.length - 1}
              interrupts={interrupts}
              assistant={assistant}
              bootstrap={bootstrap}
            />
          ))}
          {answering && messages.at(-1)?.role === "user" && <Thinking />}
        </ol>
        {trouble && <TroubleNote trouble={trouble} chatId={bootstrap.chat.id} onRetry={assistant.retry} />}
      </main>
      <Composer
        draft={draft}
        onDraft={setDraft}
        onSend={send}
        answering={answering}
        suggest={!empty}
        model={bootstrap.model}
      />
      <Announcer messages={messages} answering={answering} interrupts={interrupts} />
    </>
  );
}

function titleOf(messages: readonly AssistantMessage[]): string | undefined {
  const first = messages.find(({ role }) => role === "user")?.parts.find(({ type }) => type === "text");
  return first?.type === "text" ? first.text : undefined;
}

function Thinking(): ReactNode {
  return (
    <li className="message assistant">
      <div className="thinking" role="img" aria-label="The assistant is thinking">
        <i />
        <i />
        <i />
      </div>
    </li>
  );
}

function TroubleNote({
  trouble,
  chatId,
  onRetry,
}: {
  trouble: Trouble;
  chatId: string;
  onRetry: () => void;
}): ReactNode {
  if (trouble.kind === "login") {
    return (
      <div className="notice warn" role="alert">
        <p>Your login has ended. What you wrote is kept until you are back.</p>
        <a className="button" href={`/auth/login?returnTo=${encodeURIComponent(`/chat/${chatId}`)}`}>
          <Icon name="person" />
          Log in again
        </a>
      </div>
    );
  }
  const unreachable = trouble.kind === "unreachable";
  return (
    <div className="notice warn" role="alert">
      <p>{unreachable ? "The assistant cannot be reached. It is tried again by itself." : trouble.message}</p>
      <button type="button" className="button plain" onClick={onRetry}>
        Try again
      </button>
    </div>
  );
}
