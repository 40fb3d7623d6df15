/** Tags as people type them: between commas, each once whatever its case. */
export function readTags(text: string): string[] {
  const known = new Set<string>();
  return text
    .split(/[,，、\n]/)
    .map((tag) => tag.trim().replace(/^#/, ""))
    .filter((tag) => tag !== "" && !known.has(tag.toLowerCase()) && known.add(tag.toLowerCase()));
}
