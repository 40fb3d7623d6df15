use std::time::Duration;

use proptest::prelude::*;

use super::*;

const SECOND: i64 = 1_000_000_000;
const MILLI: i64 = 1_000_000;

/// A publisher whose clocks are a little wrong, behind a network that delays pictures and sound differently.
#[derive(Debug, Clone, Copy)]
struct World {
    /// Where the RTP timestamps begin.
    sound_first: u32,
    picture_first: u32,
    /// Parts in a million that the clocks are too fast.
    sound_drift: i64,
    picture_drift: i64,
    /// Nanoseconds on the way of the first picture, and of later ones.
    picture_first_way: i64,
    picture_way: i64,
    sound_way: i64,
    /// Seconds between sender reports.
    sound_reports: i64,
    picture_reports: i64,
}

const PLAIN: World = World {
    sound_first: 0,
    picture_first: 0,
    sound_drift: 0,
    picture_drift: 0,
    picture_first_way: 0,
    picture_way: 0,
    sound_way: 0,
    sound_reports: 5,
    picture_reports: 1,
};

/// What a publisher sends, and the moment that it is of.
enum Event {
    Sound(i64),
    Picture(i64),
    SoundReport(i64),
    PictureReport(i64),
}

/// The peer's clock when it begins.
const NTP: i64 = 3_900_000_000;

fn ntp(moment: i64) -> u64 {
    let rest = u64::try_from(moment.rem_euclid(SECOND)).unwrap();
    let seconds = u64::try_from(NTP + moment.div_euclid(SECOND)).unwrap();
    (seconds << 32) + (rest << 32) / SECOND as u64
}

fn timestamp(first: u32, rate: i64, drift: i64, moment: i64) -> u32 {
    let ticks = i128::from(moment) * i128::from(rate) * i128::from(1_000_000 + drift) / 1_000_000 / i128::from(SECOND);
    first.wrapping_add(ticks as u32)
}

/// By moment of capture: where on the timeline it lies.
type Places = Vec<(i64, i64)>;

/// Plays so many seconds, and says where sound and pictures lie.
fn play(world: World, seconds: i64) -> (Places, Places) {
    let (start, mut timeline) = (Instant::now(), Timeline::new(2, false));
    let at = |nanos: i64| start + Duration::from_nanos(u64::try_from(nanos).unwrap());
    // Everything that happens, by arrival.
    let mut events: Vec<(i64, Event)> = Vec::new();
    for moment in (0..seconds * 50).map(|number| number * 20 * MILLI) {
        events.push((moment + world.sound_way, Event::Sound(moment)));
    }
    for moment in (0..seconds * 30).map(|number| number * SECOND / 30) {
        // What comes after the first waits for it.
        events.push(((moment + world.picture_way).max(world.picture_first_way), Event::Picture(moment)));
    }
    for moment in (0..seconds / world.sound_reports).map(|number| (number * 2 + 1) * world.sound_reports * SECOND / 2) {
        events.push((moment + world.sound_way, Event::SoundReport(moment)));
    }
    for moment in (1..seconds / world.picture_reports).map(|number| number * world.picture_reports * SECOND) {
        events.push((moment + world.picture_way, Event::PictureReport(moment)));
    }
    events.sort_by_key(|(arrived, _)| *arrived);
    let (mut sound, mut pictures) = (Vec::new(), Vec::new());
    let sound_at = |moment| timestamp(world.sound_first, SOUND_RATE, world.sound_drift, moment);
    let picture_at = |moment| timestamp(world.picture_first, PICTURE_RATE, world.picture_drift, moment);
    for (arrived, event) in events {
        match event {
            Event::Sound(moment) => {
                sound.push((moment, timeline.map(Source::Sound, sound_at(moment), at(arrived)).nanos()));
            }
            Event::Picture(moment) => {
                pictures.push((moment, timeline.map(Source::Layer(1), picture_at(moment), at(arrived)).nanos()));
            }
            Event::SoundReport(moment) => timeline.report(Source::Sound, ntp(moment), sound_at(moment)),
            Event::PictureReport(moment) => timeline.report(Source::Layer(1), ntp(moment), picture_at(moment)),
        }
    }
    (sound, pictures)
}

/// How much later a picture lies than the sound of its moment, in nanoseconds.
fn late(sound: &[(i64, i64)], picture: (i64, i64)) -> i64 {
    let after = sound.partition_point(|(moment, _)| *moment <= picture.0);
    let (moment, at) = sound[after - 1];
    (picture.1 - picture.0) - (at - moment)
}

#[test]
fn streams_lie_where_they_arrive_at_first() {
    let (sound, pictures) = play(World { sound_way: 10 * MILLI, picture_first_way: 40 * MILLI, ..PLAIN }, 1);
    assert_eq!(sound[..2], [(0, 0), (20 * MILLI, 20 * MILLI)]);
    assert_eq!(pictures[0], (0, 30 * MILLI));
}

#[test]
fn a_clock_that_drifts_for_ten_hours_keeps_its_pictures_with_the_sound() {
    let world = World { sound_drift: 100, picture_drift: -100, ..PLAIN };
    let (sound, pictures) = play(world, 36_000);
    for picture in pictures.into_iter().skip(300) {
        assert!(late(&sound, picture).abs() < 5 * MILLI);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn sender_reports_bring_pictures_and_sound_together(
        firsts in any::<(u32, u32)>(),
        drifts in (-200_i64..=200, -200_i64..=200),
        ways in (0..600_i64, 0..200_i64, 0..200_i64),
        reports in (1_i64..=5, 1_i64..=5),
    ) {
        let world = World {
            sound_first: firsts.0,
            picture_first: firsts.1,
            sound_drift: drifts.0,
            picture_drift: drifts.1,
            picture_first_way: ways.0 * MILLI,
            picture_way: ways.1 * MILLI,
            sound_way: ways.2 * MILLI,
            sound_reports: reports.0,
            picture_reports: reports.1,
        };
        let (sound, pictures) = play(world, 60);
        for pair in sound.windows(2) {
            // Two ticks, for drift and rounding.
            prop_assert!((pair[1].1 - pair[0].1 - 20 * MILLI).abs() < MILLI / 24, "sound is never bent");
        }
        for pair in pictures.windows(2) {
            let span = pair[1].1 - pair[0].1;
            prop_assert!((span - SECOND / 30).abs() <= SECOND / 30 / 9, "a step of {} ns", span);
        }
        for picture in pictures.into_iter().filter(|(moment, _)| *moment > 20 * SECOND) {
            let late = late(&sound, picture);
            prop_assert!(late.abs() < 10 * MILLI, "{} ns late", late);
        }
    }

    #[test]
    fn layers_have_their_pictures_at_the_same_time(
        firsts in any::<[u32; 3]>(),
        ways in prop::array::uniform3(0_i64..80),
        begins in prop::array::uniform3(0_i64..90),
        noise in prop::collection::vec(-90_i64..=90, 60),
    ) {
        let (start, mut timeline) = (Instant::now(), Timeline::new(3, true));
        let mut places = std::collections::BTreeMap::<i64, Vec<i64>>::new();
        let mut events = Vec::new();
        for layer in 0..3 {
            for number in begins[layer]..900 {
                events.push((number * SECOND / 30 + ways[layer] * MILLI, layer, number));
            }
        }
        events.sort_unstable();
        for (arrived, layer, number) in events {
            let moment = number * SECOND / 30;
            let own = timestamp(firsts[layer], PICTURE_RATE, 0, moment);
            let arrived = start + Duration::from_nanos(arrived as u64);
            let place = timeline.map(Source::Layer(layer), own, arrived).nanos();
            if number > 450 {
                places.entry(number).or_default().push(place);
            }
            // Reports are only exact to a millisecond.
            if number % 30 == 15 {
                let wrong = noise[(number / 30 + layer as i64 * 20) as usize % noise.len()];
                timeline.report(Source::Layer(layer), ntp(moment), own.wrapping_add(wrong as u32));
            }
        }
        for (number, places) in places {
            prop_assert!(places.iter().all(|place| *place == places[0]), "picture {}: {:?}", number, places);
        }
    }

    #[test]
    fn no_lie_leads_far_away(
        lies in prop::collection::vec((0_usize..4, any::<u32>(), any::<u64>(), 0_u64..2_000), 1..200),
    ) {
        let (start, mut timeline) = (Instant::now(), Timeline::new(4, true));
        let mut now = start;
        let mut last = [i64::MIN; 4];
        for (which, timestamp, moment, millis) in lies {
            now += Duration::from_millis(millis);
            let source = if which == 0 { Source::Sound } else { Source::Layer(which) };
            timeline.report(source, moment, timestamp);
            let place = timeline.map(source, timestamp, now).nanos();
            let arrived = i64::try_from(now.duration_since(start).as_nanos()).unwrap();
            // What is believed, what corrections may add to it, and as much for clocks that run away.
            prop_assert!((place - arrived).abs() <= 25 * SECOND + arrived / 5, "{} at {}", place, arrived);
            if last[which] != i64::MIN {
                prop_assert!(place - last[which] > -12 * SECOND, "{} after {}", place, last[which]);
            }
            last[which] = place;
        }
    }
}

#[test]
fn a_stream_that_begins_anew_goes_on_where_it_was() {
    let (start, mut timeline) = (Instant::now(), Timeline::new(2, false));
    let mut places = Vec::new();
    for number in 0..100_u32 {
        let now = start + Duration::from_millis(u64::from(number) * 20);
        let timestamp = number * 960 + if number < 50 { 0 } else { 2_000_000_000 };
        places.push(timeline.map(Source::Sound, timestamp, now).nanos());
    }
    assert!(places.windows(2).all(|pair| pair[1] - pair[0] == 20 * MILLI));
}

#[test]
fn pictures_that_pause_come_back_at_their_time() {
    let (start, mut timeline) = (Instant::now(), Timeline::new(2, false));
    for second in [0, 1, 2, 62, 63, 3_663] {
        let place = timeline.map(Source::Layer(1), second * 90_000, start + Duration::from_secs(u64::from(second)));
        assert_eq!(place.nanos(), i64::from(second) * SECOND);
    }
}
