import type { DatabaseSync } from "node:sqlite";
import { inTransaction } from "../database.ts";
import type { SourceDocument } from "./corpus.ts";
import type { Embedder } from "./embeddings.ts";

/** A piece of a document, as it is searched. */
export interface Chunk {
  documentId: string;
  document: string;
  heading: string;
  text: string;
  embedding: Float32Array;
}

/** Documents and their embeddings, kept between starts. */
export interface DocumentStore {
  /** Embeds and writes the document unless it is there already in this very form. */
  put(document: SourceDocument): Promise<void>;
  /** Removes the shared documents that are not among these and returns their ids. */
  dropSharedExcept(ids: ReadonlySet<string>): string[];
  /** Every piece of exactly these documents. */
  chunksOf(documentIds: readonly string[]): Chunk[];
}

export function createDocumentStore(db: DatabaseSync, embedder: Embedder): DocumentStore {
  return {
    async put(document) {
      const digest = db.prepare("SELECT digest FROM documents WHERE id = ?").get(document.id)?.["digest"];
      if (digest === document.digest) return;
      const texts = document.sections.map(({ heading, text }) => `${document.title}. ${heading}. ${text}`);
      const embeddings = await embedder.embed(texts);
      inTransaction(db, () => replaceDocument(db, document, embeddings));
    },
    dropSharedExcept(ids) {
      const rows = db.prepare("SELECT id FROM documents WHERE access NOT LIKE 'user:%'").all();
      const gone = rows.map((row) => String(row["id"])).filter((id) => !ids.has(id));
      inTransaction(db, () => {
        for (const id of gone) removeDocument(db, id);
      });
      return gone;
    },
    chunksOf(documentIds) {
      const rows = db
        .prepare(
          `SELECT document_id, title, heading, text, embedding FROM chunks JOIN documents ON id = document_id
           WHERE document_id IN (SELECT value FROM json_each(?)) ORDER BY document_id, position`,
        )
        .all(JSON.stringify(documentIds));
      return rows.map((row) => ({
        documentId: String(row["document_id"]),
        document: String(row["title"]),
        heading: String(row["heading"]),
        text: String(row["text"]),
        embedding: toVector(row["embedding"]),
      }));
    },
  };
}

function replaceDocument(db: DatabaseSync, document: SourceDocument, embeddings: Float32Array[]): void {
  const { id, title, access, digest, sections } = document;
  removeDocument(db, id);
  db.prepare("INSERT INTO documents (id, title, access, digest) VALUES (?, ?, ?, ?)").run(
    id,
    title,
    access,
    digest,
  );
  const insert = db.prepare(
    "INSERT INTO chunks (document_id, position, heading, text, embedding) VALUES (?, ?, ?, ?, ?)",
  );
  sections.forEach(({ heading, text }, i) => {
    const vector = embeddings[i] ?? new Float32Array();
    insert.run(id, i, heading, text, new Uint8Array(vector.buffer));
  });
}

function removeDocument(db: DatabaseSync, id: string): void {
  db.prepare("DELETE FROM chunks WHERE document_id = ?").run(id);
  db.prepare("DELETE FROM documents WHERE id = ?").run(id);
}

function toVector(blob: unknown): Float32Array {
  if (!(blob instanceof Uint8Array)) return new Float32Array();
  return new Float32Array(blob.slice().buffer); // a copy, because the floats must be aligned
}
