//! `onMetaData`: what a publisher says about itself. Advice, never relied upon.

use rml_amf0::Amf0Value;
use weir_media::registry::Announced;

/// What is of use in `onMetaData`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Metadata {
    /// Which kinds of track will come.
    pub(crate) announced: Announced,
    /// Pictures a second as numerator and denominator.
    pub(crate) frame_rate: Option<(u32, u32)>,
}

impl Metadata {
    /// Reads a data message: `onMetaData`, alone or behind `@setDataFrame`. `None` for other data.
    pub(crate) fn from_values(values: &[Amf0Value]) -> Option<Self> {
        let is = |value: &Amf0Value, name| matches!(value, Amf0Value::Utf8String(text) if text == name);
        let values = match values {
            [set, rest @ ..] if is(set, "@setDataFrame") => rest,
            all => all,
        };
        let [name, Amf0Value::Object(properties), ..] = values else { return None };
        if !is(name, "onMetaData") {
            return None;
        }
        let says = |key| properties.get(key).is_some_and(|value| !is_nothing(value));
        let announced = Announced {
            video: says("videocodecid") || (says("width") && says("height")),
            audio: says("audiocodecid") || says("audiosamplerate"),
        };
        let frame_rate = match properties.get("framerate").or_else(|| properties.get("videoframerate")) {
            Some(Amf0Value::Number(rate)) => fraction(*rate),
            _ => None,
        };
        Some(Self { announced, frame_rate })
    }
}

/// Some encoders announce a missing track as codec 0, size 0 or an empty text. Codec 0 is no video codec, and as audio
/// it is PCM, which is not carried.
fn is_nothing(value: &Amf0Value) -> bool {
    match value {
        Amf0Value::Number(number) => *number <= 0.0 || number.is_nan(),
        Amf0Value::Utf8String(text) => text.is_empty(),
        _ => true,
    }
}

/// A rate as a fraction, those of NTSC exactly. `None` for what no encoder means.
fn fraction(rate: f64) -> Option<(u32, u32)> {
    if !(1.0..=960.0).contains(&rate) {
        return None;
    }
    let ntsc = rate * 1.001;
    if (ntsc - ntsc.round()).abs() < 0.002 && (rate - rate.round()).abs() > 0.002 {
        return Some((ntsc.round() as u32 * 1000, 1001));
    }
    let thousandths = (rate * 1000.0).round() as u32;
    Some(if thousandths.is_multiple_of(1000) { (thousandths / 1000, 1) } else { (thousandths, 1000) })
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn check(properties: &[(&str, Amf0Value)], video: bool, audio: bool, frame_rate: Option<(u32, u32)>) {
        let properties: HashMap<_, _> =
            properties.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
        let name = |text: &str| Amf0Value::Utf8String(text.into());
        let values = [name("@setDataFrame"), name("onMetaData"), Amf0Value::Object(properties)];
        let expected = Some(Metadata { announced: Announced { video, audio }, frame_rate });
        assert_eq!(Metadata::from_values(&values), expected);
        assert_eq!(Metadata::from_values(&values[1..]), expected);
    }

    #[test]
    fn codecs_are_announced_by_number_four_cc_or_name() {
        use Amf0Value::{Number, Utf8String};
        check(&[("videocodecid", Number(7.0)), ("audiocodecid", Number(10.0))], true, true, None);
        check(&[("videocodecid", Number(1_635_135_537.0))], true, false, None);
        check(&[("videocodecid", Utf8String("avc1".into())), ("audiocodecid", Number(0.0))], true, false, None);
        check(&[("width", Number(0.0)), ("height", Number(0.0)), ("audiocodecid", Number(10.0))], false, true, None);
    }

    #[test]
    fn frame_rates_become_fractions() {
        for (rate, fraction) in [
            (30.0, Some((30, 1))),
            (29.97, Some((30_000, 1001))),
            (59.94, Some((60_000, 1001))),
            (23.976, Some((24_000, 1001))),
            (12.5, Some((12_500, 1000))),
            (0.0, None),
            (f64::NAN, None),
            (1e9, None),
        ] {
            check(&[("framerate", Amf0Value::Number(rate))], false, false, fraction);
        }
    }

    #[test]
    fn other_data_is_not_metadata() {
        assert_eq!(Metadata::from_values(&[]), None);
        assert_eq!(Metadata::from_values(&[Amf0Value::Utf8String("onTextData".into()), Amf0Value::Null]), None);
    }
}
