import { Problem } from "../api/request";
import { problemWords } from "./problem-words";

/** What went wrong on the way back from a provider, for the person it went wrong for. */
export function returnedTrouble(search: string): string | null {
  const slug = new URLSearchParams(search).get("problem");
  if (slug === null) return null;
  return problemWords(new Problem(400, `urn:weir:problem:${slug}`, ""));
}

/** As `returnedTrouble` of this page's address, which then says it no more: it is told once. */
export function takeReturnedTrouble(): string | null {
  const trouble = returnedTrouble(location.search);
  if (trouble !== null) history.replaceState(null, "", location.pathname + location.hash);
  return trouble;
}
