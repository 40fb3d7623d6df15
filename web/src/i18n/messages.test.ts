import { expect, test } from "vitest";

import en from "./en.json";
import ko from "./ko.json";
import { chooseLanguage, fill, LANGUAGES } from "./language";
import zh from "./zh.json";

const files: Record<string, Record<string, string>> = { en, zh, ko };
const places = (message: string): string[] => (message.match(/\{\w+\}/g) ?? []).sort();

test("every language has a file", () => {
  expect(Object.keys(files)).toEqual([...LANGUAGES]);
});

test("all files have the same messages in the same order", () => {
  for (const file of Object.values(files)) expect(Object.keys(file)).toEqual(Object.keys(en));
});

test("a message has the same places in every language, and some text", () => {
  for (const file of Object.values(files)) {
    for (const [name, english] of Object.entries<string>(en)) {
      expect(file[name]?.trim()).not.toBe("");
      expect([name, places(file[name] ?? "")]).toEqual([name, places(english)]);
    }
  }
});

test("the reader's first language that we speak is chosen", () => {
  expect(chooseLanguage(["fr-FR", "ko-KR", "en"])).toBe("ko");
  expect(chooseLanguage(["zh-Hant-TW"])).toBe("zh");
  expect(chooseLanguage(["de"])).toBe("en");
  expect(chooseLanguage([])).toBe("en");
});

test("places are filled, unknown ones stay", () => {
  expect(fill("{name} has {count}", { name: "ada" })).toBe("ada has {count}");
});
