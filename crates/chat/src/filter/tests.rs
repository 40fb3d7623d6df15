//! Spellings of words, and texts that only look like them.

use proptest::prelude::*;

use super::*;

fn filter(words: &[&str]) -> Filter {
    let words: Vec<_> = words.iter().map(|text| Word { text: (*text).into(), action: Action::Mask }).collect();
    Filter::new(&words).unwrap()
}

#[track_caller]
fn check(words: &[&str], text: &str, expected: &str) {
    let judged = match filter(words).judge(text) {
        Verdict::Clean => text.to_owned(),
        Verdict::Masked(masked) => masked,
        other => panic!("{other:?}"),
    };
    assert_eq!(judged, expected, "{text:?} against {words:?}");
}

/// What a letter is written as instead.
const OTHERS: &[(char, &[&str])] = &[
    ('b', &["B", "𝐛", "𝓫", "𝕓", "ｂ", "8", "ʙ", "В", "Ь", "β", "🅱"]),
    ('a', &["A", "á", "ä", "ａ", "𝒂", "а", "@", "4", "ᴀ", "Α", "a\u{300}", "ⓐ"]),
    ('s', &["S", "$", "5", "ѕ", "𝗌", "ｓ", "ꜱ", "š", "ſ", "ⓢ"]),
    ('t', &["T", "7", "+", "т", "ｔ", "𝔱", "ᴛ", "ť", "Τ"]),
    ('e', &["E", "3", "е", "é", "ｅ", "𝖊", "ᴇ", "Ε", "ℯ", "є"]),
    ('r', &["R", "ʀ", "ｒ", "𝓇", "ř", "г"]),
    ('d', &["D", "ｄ", "𝚍", "ᴅ", "ԁ", "ď"]),
    ('o', &["O", "0", "о", "ο", "ｏ", "ö", "𝕠", "ᴏ", "օ"]),
    ('i', &["I", "1", "l", "|", "!", "і", "í", "ｉ", "ɪ", "𝖎", "ⅰ"]),
    ('k', &["K", "ｋ", "𝓀", "ᴋ", "к", "Κ", "ķ"]),
    ('n', &["N", "ｎ", "𝕟", "ɴ", "ñ", "п"]),
    ('u', &["U", "ｕ", "𝓾", "ᴜ", "ü", "υ"]),
    ('c', &["C", "ｃ", "с", "ç", "ᴄ", "𝒸", "ϲ"]),
    ('p', &["P", "ｐ", "р", "ρ", "ᴘ", "𝗉"]),
    ('m', &["M", "ｍ", "м", "ᴍ", "𝔪"]),
];

/// Spellings of `word`: one letter at a time otherwise, all letters otherwise, apart, repeated, with what is not seen.
fn spellings(word: &str) -> Vec<String> {
    let others = |letter: char| OTHERS.iter().find(|(of, _)| *of == letter).map_or(&[][..], |(_, others)| others);
    let letters: Vec<char> = word.chars().collect();
    let mut all = Vec::new();
    for (at, letter) in letters.iter().enumerate() {
        for other in others(*letter) {
            let spelled = letters.iter().enumerate();
            all.push(spelled.map(|(one, c)| if one == at { (*other).into() } else { c.to_string() }).collect());
        }
        let doubled = letters.iter().enumerate().map(|(one, c)| c.to_string().repeat(if one == at { 5 } else { 1 }));
        all.push(doubled.collect());
    }
    for turn in 0..5 {
        all.push(
            letters.iter().map(|c| others(*c).get(turn).map_or_else(|| c.to_string(), |o| (*o).to_owned())).collect(),
        );
    }
    for between in
        [" ", ".", "-", "_", "  ", " . ", "\u{200b}", "\u{200d}", "\u{ad}", "\u{feff}", "\u{3164}", "*", "\u{301}"]
    {
        all.push(letters.iter().map(char::to_string).collect::<Vec<_>>().join(between));
    }
    all
}

#[test]
fn however_a_word_is_spelled_it_is_found() {
    let mut count = 0;
    let mut missed = Vec::new();
    for word in ["bastard", "idiot", "moron", "stupid", "trump card", "mock"] {
        let filter = filter(&[word]);
        for spelling in spellings(word) {
            for text in [spelling.clone(), format!("you {spelling}!"), format!("«{spelling}», he said")] {
                count += 1;
                if filter.judge(&text) == Verdict::Clean {
                    missed.push(text);
                }
            }
        }
    }
    assert!(count > 500, "{count}");
    assert_eq!(missed, Vec::<String>::new(), "of {count}");
}

#[test]
fn what_only_contains_a_word_is_left_alone() {
    for text in ["class", "assassin", "passage", "grass hole", "as soon", "as", "has seen", "gas station"] {
        check(&["ass"], text, text);
    }
    check(&["ass"], "a s s", "* * *");
    check(&["ass"], "asssss", "******");
    check(&["bad"], "bad day, sad", "*** day, sad");
    check(&["hell"], "hello shell", "hello shell");
    check(&["hell"], "go to hell.", "go to ****.");
    check(&["badword"], "a bad wording", "a bad wording");
    check(&["badword"], "a bad word", "a *** ****");
    check(&["idiot"], "", "");
}

#[test]
fn stars_let_a_word_be_part_of_another() {
    check(&["idiot*"], "such idiotic idiots", "such *****ic *****s");
    check(&["*idiot"], "a megaidiot, idiotic", "a mega*****, idiotic");
    check(&["*idiot*"], "megaidiotic", "mega*****ic");
}

#[test]
fn scripts_without_spaces_are_found_anywhere() {
    check(&["笨蛋"], "你是笨蛋吗", "你是**吗");
    check(&["笨蛋"], "你是笨 蛋吗", "你是* *吗");
    check(&["ばか"], "おばかさん", "お**さん");
    check(&["ばか"], "はか", "はか");
    check(&["バカ"], "ﾊﾞｶ", "***");
    check(&["바보"], "이 바보야", "이 **야");
    check(&["바보"], "이 바\u{200b}보야", "이 ***야");
}

#[test]
fn the_strongest_action_counts() {
    let word = |text: &str, action| Word { text: text.into(), action };
    let filter =
        Filter::new(&[word("mild", Action::Mask), word("odd", Action::Hold), word("bad", Action::Block)]).unwrap();
    assert_eq!(filter.judge("hello"), Verdict::Clean);
    assert_eq!(filter.judge("mild, mild"), Verdict::Masked("****, ****".into()));
    assert_eq!(filter.judge("mild odd"), Verdict::Held);
    assert_eq!(filter.judge("mild odd bad"), Verdict::Blocked);
}

#[test]
fn many_words_are_looked_for_at_once() {
    let words: Vec<_> =
        (0..50_000).map(|number| Word { text: format!("w{number:x}q"), action: Action::Mask }).collect();
    let filter = Filter::new(&words).unwrap();
    assert_ne!(filter.judge("say wc34fq now"), Verdict::Clean);
    assert_eq!(filter.judge("say nothing of the kind"), Verdict::Clean);
}

#[test]
fn what_cannot_be_read_is_no_word() {
    for text in ["", "**", "...", "\u{200b}", &"a".repeat(101)] {
        let words = [Word { text: text.into(), action: Action::Mask }];
        assert!(matches!(Filter::new(&words), Err(InvalidWords::Word(_))), "{text:?}");
    }
}

proptest! {
    #[test]
    fn no_text_breaks_the_filter(text in "\\PC{0,60}", around in ".{0,20}") {
        let filter = filter(&["bad", "*idiot*", "笨蛋"]);
        let _ = filter.judge(&text);
        let _ = filter.judge(&format!("{around}bad{text}"));
    }

    #[test]
    fn masks_leave_the_length_as_it_is(before in "[x-z ]{0,9}", after in "[x-z ]{0,9}") {
        let text = format!("{before} bad {after}");
        let Verdict::Masked(masked) = filter(&["bad"]).judge(&text) else { panic!("{text}") };
        prop_assert_eq!(masked.chars().count(), text.chars().count());
    }
}
