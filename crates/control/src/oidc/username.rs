//! A user name for somebody whom a provider knows by another.

use unicode_normalization::UnicodeNormalization;
use weir_identity::{ChannelName, name::NAME_CHARS_MAX};

use crate::{error::Error, store::Store};

/// Letters that are kept, so that a number fits behind them.
const STEM_CHARS_MAX: usize = NAME_CHARS_MAX - 6;
/// Numbers that are tried in order before one by chance.
const NUMBERS: std::ops::RangeInclusive<u32> = 2..=6;
/// What nobody's name gives.
const ANYBODY: &str = "user";

/// A name that nobody has yet, out of what a provider said: its user name, its e-mail address, its name.
pub(super) async fn suggest(store: &dyn Store, said: &[String]) -> Result<ChannelName, Error> {
    let stem = said.iter().find_map(|text| stem(text)).unwrap_or_else(|| ANYBODY.into());
    let numbered = NUMBERS.map(|number| format!("{stem}{number}"));
    for name in std::iter::once(stem.clone()).chain(numbered) {
        // A name of a route is no user name, one with a number is.
        let Ok(name) = ChannelName::parse(&name) else { continue };
        if store.account_named(&name).await?.is_none() && store.channel_named(&name).await?.is_none() {
            return Ok(name);
        }
    }
    let mut chance = [0; 4];
    getrandom::fill(&mut chance).expect("the operating system gives random bytes");
    let name = format!("{stem}_{:05}", u32::from_be_bytes(chance) % 100_000);
    Ok(ChannelName::parse(&name).expect("a stem and a number make a name"))
}

/// What of a text can be in a user name: `Anna.Müller@example.org` gives `anna_muller`.
fn stem(text: &str) -> Option<String> {
    let local = text.split_once('@').map_or(text, |(local, _)| local);
    let mut stem = String::new();
    for c in local.chars().take(4 * NAME_CHARS_MAX).collect::<String>().nfkd() {
        match c.to_ascii_lowercase() {
            c @ ('a'..='z' | '0'..='9') => stem.push(c),
            // Marks follow their letters.
            c if c.is_ascii() && !stem.is_empty() && !stem.ends_with('_') => stem.push('_'),
            _ => {}
        }
    }
    stem.truncate(STEM_CHARS_MAX);
    let stem = stem.trim_end_matches('_');
    (stem.len() >= 3).then(|| stem.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_is_made_of_what_the_provider_says() {
        for (said, expected) in [
            ("anna", Some("anna")),
            ("Anna.Müller@example.org", Some("anna_muller")),
            ("  José -- García ", Some("jose_garcia")),
            ("김안나", None),
            ("al", None),
            ("__a__", None),
            ("", None),
            ("@example.org", None),
        ] {
            assert_eq!(stem(said).as_deref(), expected, "{said:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_said_a_name_comes_of_it(said in "\\PC{0,80}") {
            let stem = stem(&said).unwrap_or_else(|| ANYBODY.into());
            let name = format!("{stem}_99999");
            prop_assert!(ChannelName::parse(&name).is_ok(), "{}", name);
        }
    }
}
