//! Pictures as people send them, and as nobody should; real workers: the tests' own program, called again.

use std::{
    ffi::OsString,
    io::{Cursor, Read as _, Write as _},
    time::Duration,
};

use bytes::Bytes;
use image::{
    AnimationDecoder as _, Delay, DynamicImage, Frame, ImageFormat, Rgba, RgbaImage,
    codecs::{
        gif::{GifEncoder, Repeat},
        png::PngDecoder,
    },
};
use proptest::prelude::*;
use weir_worker::Program;

use crate::{Failed, Made, Refused, SIDE_MAX, Workers, check, decode::FRAMES_MAX, worker};

/// Tells the tests' program that it is called as a worker.
const AS_WORKER: &str = "WEIR_TEST_WORKER";

#[test]
fn a_worker_when_called_as_one() {
    match std::env::var(AS_WORKER).as_deref() {
        Ok("pictures") => worker::run().expect("it works"),
        Ok("falls") => std::process::abort(),
        Ok("is stuck") => loop {
            std::thread::park();
        },
        Ok("lies") => lie(),
        Ok("opens") => open(),
        _ => {}
    }
}

/// Answers with a picture that is none.
fn lie() {
    use std::os::fd::AsFd as _;
    let made = Made { png: Bytes::from_static(b"<svg onload=x>"), width: 9, height: 9, animated: false };
    let socket = std::io::stdin().as_fd().try_clone_to_owned().expect("a socket");
    let mut socket = std::os::unix::net::UnixStream::from(socket);
    let _ = socket.write_all(&crate::wire::write(&Ok(made)));
}

/// Tries what a worker must not be able to do.
fn open() {
    use std::os::fd::AsFd as _;
    let socket = std::io::stdin().as_fd().try_clone_to_owned().expect("a socket");
    let mut socket = std::os::unix::net::UnixStream::from(socket);
    socket.read_to_end(&mut Vec::new()).expect("the picture");
    weir_worker::confine(worker::LIMITS);
    let opens = std::fs::File::open("/etc/hostname").is_ok() || std::net::UdpSocket::bind("127.0.0.1:0").is_ok();
    let mut much = Vec::<u8>::new();
    let takes = much.try_reserve(3 << 30).is_ok();
    std::hint::black_box(&much);
    if !opens && !takes {
        let _ = socket.write_all(&crate::wire::write(&Err(Refused::TooLong)));
    }
}

fn program(kind: &str) -> Program {
    let arguments = ["--exact", "tests::a_worker_when_called_as_one", "--nocapture"];
    let environment = vec![(AS_WORKER.into(), OsString::from(kind))];
    Program { environment, ..Program::this(&arguments) }
}

fn workers(kind: &str) -> Workers {
    Workers::within(program(kind), 2, Duration::from_secs(20))
}

/// A picture with a disc in it, on nothing.
fn picture(width: u32, height: u32, phase: u32) -> RgbaImage {
    RgbaImage::from_fn(width, height, |x, y| {
        let (dx, dy) = (x.abs_diff(width / 2), (y + phase).abs_diff(height / 2));
        let inside = dx * dx + dy * dy < (width.min(height) / 3).pow(2);
        if inside { Rgba([220, (x * 255 / width) as u8, 40, 255]) } else { Rgba([0, 255, 0, 0]) }
    })
}

fn encoded(picture: &RgbaImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    let picture = DynamicImage::from(picture.clone());
    let picture = if format == ImageFormat::Jpeg { picture.into_rgb8().into() } else { picture };
    picture.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn gif(frames: usize, side: u32, delay_ms: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = GifEncoder::new_with_speed(&mut bytes, 30);
    encoder.set_repeat(Repeat::Infinite).unwrap();
    for number in 0..frames {
        let picture = picture(side, side, number as u32);
        encoder.encode_frame(Frame::from_parts(picture, 0, 0, Delay::from_numer_denom_ms(delay_ms, 1))).unwrap();
    }
    drop(encoder);
    bytes
}

/// A moving WebP (WebP container specification, "Extended File Format") of still ones.
fn webp(frames: u32, side: u32) -> Vec<u8> {
    fn chunk(into: &mut Vec<u8>, kind: &[u8; 4], data: &[u8]) {
        into.extend_from_slice(kind);
        into.extend_from_slice(&(data.len() as u32).to_le_bytes());
        into.extend_from_slice(data);
        if data.len() % 2 == 1 {
            into.push(0);
        }
    }
    let three = |number: u32| number.to_le_bytes()[..3].to_vec();
    let mut body = b"WEBP".to_vec();
    chunk(&mut body, b"VP8X", &[&[0x12, 0, 0, 0][..], &three(side - 1), &three(side - 1)].concat());
    chunk(&mut body, b"ANIM", &[0; 6]);
    for number in 0..frames {
        let still = encoded(&picture(side, side, number), ImageFormat::WebP);
        // What follows "RIFF", a length and "WEBP" is the frame's own chunk.
        let frame = [&[0; 6][..], &three(side - 1), &three(side - 1), &three(50), &[2], &still[12..]].concat();
        chunk(&mut body, b"ANMF", &frame);
    }
    let mut file = Vec::new();
    chunk(&mut file, b"RIFF", &body);
    file
}

/// A PNG that claims a size, with a few bytes of nothing as its pixels.
fn claims(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = encoded(&picture(8, 8, 0), ImageFormat::Png);
    bytes[16..20].copy_from_slice(&width.to_be_bytes());
    bytes[20..24].copy_from_slice(&height.to_be_bytes());
    let checksum = crc(&bytes[12..29]);
    bytes[29..33].copy_from_slice(&checksum.to_be_bytes());
    bytes
}

/// The checksum of a chunk (PNG third edition, Annex D).
fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { 0xedb8_8320 ^ (crc >> 1) } else { crc >> 1 })
    })
}

#[track_caller]
fn made(sent: &[u8]) -> Made {
    let made = worker::make(sent).unwrap();
    assert!(check::holds(&made), "{}x{}", made.width, made.height);
    made
}

#[track_caller]
fn check_size(sent: &[u8], size: (u32, u32), animated: bool) {
    let made = made(sent);
    assert_eq!(((made.width, made.height), made.animated), (size, animated));
}

#[test]
fn every_format_becomes_a_small_png_of_the_same_shape() {
    for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::Gif, ImageFormat::WebP] {
        check_size(&encoded(&picture(400, 200, 0), format), (128, 64), false);
        check_size(&encoded(&picture(32, 20, 0), format), (32, 20), false);
    }
    check_size(&encoded(&picture(1, 4_096, 0), ImageFormat::Png), (1, 128), false);
}

#[test]
fn what_moves_goes_on_moving() {
    check_size(&gif(12, 200, 50), (128, 128), true);
    check_size(&webp(7, 150), (128, 128), true);
    let moving = made(&gif(12, 200, 50));
    let frames = PngDecoder::new(Cursor::new(&moving.png[..])).unwrap().apng().unwrap().into_frames();
    let frames = frames.collect_frames().unwrap();
    assert_eq!(frames.len(), 12);
    assert!(frames.iter().all(|frame| Duration::from(frame.delay()) == Duration::from_millis(50)));
    let again = made(&moving.png);
    assert_eq!((again.width, again.animated), (128, true), "what we make is taken as well");
    assert!(!made(&gif(1, 64, 50)).animated, "one frame does not move");
    let hurried = made(&gif(3, 64, 0));
    let frames = PngDecoder::new(Cursor::new(&hurried.png[..])).unwrap().apng().unwrap().into_frames();
    let first = frames.collect_frames().unwrap()[0].delay();
    assert_eq!(Duration::from(first), Duration::from_millis(100), "as browsers show it");
}

#[test]
fn frames_look_as_they_were_sent() {
    let made = made(&webp(5, 100));
    let frames = PngDecoder::new(Cursor::new(&made.png[..])).unwrap().apng().unwrap().into_frames();
    for (number, frame) in frames.collect_frames().unwrap().into_iter().enumerate() {
        let sent = picture(100, 100, number as u32);
        for (one, other) in frame.buffer().pixels().zip(sent.pixels()) {
            assert!(one == other || (one[3] == 0 && other[3] == 0), "{number}: {one:?} {other:?}");
        }
    }
}

#[test]
fn colour_that_is_not_seen_does_not_bleed() {
    let made = made(&encoded(&picture(512, 512, 0), ImageFormat::Png));
    let small = image::load_from_memory(&made.png).unwrap().into_rgba8();
    // What surrounds the disc is green, and cannot be seen.
    let edge = small.pixels().filter(|pixel| (32..255).contains(&pixel[3]));
    let (mut seen, mut red) = (0, 0);
    for pixel in edge {
        seen += 1;
        red += usize::from(pixel[0] > 180);
    }
    assert!(seen > 50 && red == seen, "{red} of {seen}");
}

#[test]
fn what_is_beside_the_pixels_is_left_out() {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, 4, 4);
    encoder.add_text_chunk("Author".into(), "somebody's name and place".into()).unwrap();
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(&[7; 16]).unwrap();
    writer.finish().unwrap();
    assert!(bytes.windows(8).any(|some| some == b"somebody"));
    let made = made(&bytes);
    assert!(!made.png.windows(8).any(|some| some == b"somebody"));
    let mut behind = encoded(&picture(9, 9, 0), ImageFormat::Png);
    behind.extend_from_slice(b"<script>alert(1)</script>");
    assert!(!worker::make(&behind).unwrap().png.windows(6).any(|some| some == b"script"));
}

#[test]
fn bombs_are_refused_before_they_go_off() {
    let check = |sent: &[u8], refused: Refused| assert_eq!(worker::make(sent).err(), Some(refused));
    check(&claims(50_000, 50_000), Refused::TooLarge);
    check(&claims(u32::MAX >> 1, 1), Refused::TooLarge);
    check(&claims(4_097, 1), Refused::TooLarge);
    check(&claims(4_096, 4_096), Refused::Damaged);
    check(&claims(0, 5), Refused::Damaged);
    let mut wide = gif(2, 8, 50);
    wide[6..10].copy_from_slice(&[0xff; 4]);
    check(&wide, Refused::TooLarge);
    check(&gif(FRAMES_MAX + 1, 8, 20), Refused::TooManyFrames);
    check(&gif(4, 8, 10_000), Refused::TooLong);
}

#[test]
fn a_hundred_thousand_frames_are_refused_after_the_first_few() {
    let one = gif(2, 4, 50);
    // From one graphic control extension to the next is a frame (GIF89a §23).
    let starts: Vec<usize> = (0..one.len() - 3).filter(|at| one[*at..].starts_with(b"\x21\xf9\x04")).collect();
    let frame = &one[starts[0]..starts[1]];
    let mut bomb = one[..starts[0]].to_vec();
    for _ in 0..100_000 {
        bomb.extend_from_slice(frame);
    }
    bomb.push(0x3b);
    assert_eq!(worker::make(&bomb).err(), Some(Refused::TooManyFrames));
}

#[test]
fn what_only_calls_itself_a_picture_is_refused() {
    let html: &[u8] = b"<!doctype html><script>alert(1)</script>";
    let svg: &[u8] = b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>";
    for sent in [b"", html, svg, b"BM\x46\0\0\0", b"\0\0\0\x1cftypavif", b"II*\0", b"%PDF-1.7"] {
        assert_eq!(worker::make(sent).err(), Some(Refused::NotAPicture), "{sent:?}");
    }
    for start in [&b"\x89PNG\r\n\x1a\n"[..], b"GIF89a", b"\xff\xd8\xff", b"RIFF\x10\0\0\0WEBP"] {
        // What follows may read as a size.
        let why = worker::make(&[start, svg].concat()).err();
        assert!(matches!(why, Some(Refused::Damaged | Refused::TooLarge)), "{start:?} {why:?}");
        assert_eq!(worker::make(start).err(), Some(Refused::Damaged), "{start:?}");
    }
}

#[test]
fn a_picture_of_noise_is_made_smaller_until_it_is_short() {
    let mut state = 1_u32;
    let mut noise = |side| {
        RgbaImage::from_fn(side, side, |_, _| {
            let mut next = || {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            };
            Rgba([next(), next(), next(), 255])
        })
    };
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, 128, 128);
    encoder.set_color(png::ColorType::Rgba);
    encoder.set_compression(png::Compression::Fastest);
    encoder.set_animated(16, 0).unwrap();
    encoder.set_frame_delay(50, 1_000).unwrap();
    let mut writer = encoder.write_header().unwrap();
    for _ in 0..16 {
        writer.write_image_data(noise(128).as_raw()).unwrap();
    }
    writer.finish().unwrap();
    let made = made(&bytes);
    assert!(made.width < SIDE_MAX && made.animated, "{}", made.width);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn damage_is_refused_or_makes_a_picture(
        which in 0_usize..5,
        cut in any::<prop::sample::Index>(),
        hits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
    ) {
        let mut sent = match which {
            0 => encoded(&picture(40, 30, 0), ImageFormat::Png),
            1 => encoded(&picture(40, 30, 0), ImageFormat::Jpeg),
            2 => gif(3, 24, 50),
            3 => webp(3, 24),
            _ => encoded(&picture(40, 30, 0), ImageFormat::WebP),
        };
        for (place, byte) in hits {
            let place = place.index(sent.len());
            sent[place] = byte;
        }
        sent.truncate(cut.index(sent.len() * 2).max(1));
        if let Ok(made) = worker::make(&sent) {
            prop_assert!(check::holds(&made));
        }
    }
}

#[tokio::test]
async fn a_worker_makes_pictures_and_refuses_others() {
    let workers = workers("pictures");
    let made = workers.make(gif(5, 200, 50).into()).await.unwrap();
    assert_eq!((made.width, made.animated), (128, true));
    let refused = workers.make(claims(50_000, 50_000).into()).await;
    assert_eq!(refused, Err(Failed::Refused(Refused::TooLarge)));
    let long = vec![0; crate::INPUT_BYTES_MAX + 1];
    assert_eq!(workers.make(long.into()).await, Err(Failed::Refused(Refused::TooMuch)));
}

#[tokio::test]
async fn a_worker_opens_nothing() {
    let workers = workers("opens");
    let made = workers.make(encoded(&picture(9, 9, 0), ImageFormat::Png).into()).await;
    assert_eq!(made, Err(Failed::Refused(Refused::TooLong)), "it says so when nothing opened");
}

#[tokio::test]
async fn a_worker_that_falls_or_lies_or_is_stuck_is_a_damaged_picture() {
    for kind in ["falls", "lies"] {
        let made = workers(kind).make(encoded(&picture(9, 9, 0), ImageFormat::Png).into()).await;
        assert_eq!(made, Err(Failed::Refused(Refused::Damaged)), "{kind}");
    }
    let stuck = Workers::within(program("is stuck"), 1, Duration::from_millis(300));
    let made = stuck.make(encoded(&picture(9, 9, 0), ImageFormat::Png).into()).await;
    assert_eq!(made, Err(Failed::Refused(Refused::Damaged)));
}
