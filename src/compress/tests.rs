//! Round trips, limits and damage.

#![allow(clippy::unwrap_used)]

use std::io::Write;

use proptest::prelude::*;

use super::{Compression, InflateError, deflate, inflate};

fn squeeze(kind: Compression, input: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    deflate(kind, input, &mut out);
    out
}

fn varied(len: usize) -> Vec<u8> {
    (0..len as u32)
        .flat_map(|i| (i.wrapping_mul(2_654_435_761) >> (i % 24)).to_le_bytes())
        .take(len)
        .collect()
}

#[test]
fn what_goes_in_comes_out() {
    for kind in Compression::ALL {
        for input in [vec![], vec![7], varied(1000), varied(300_000), vec![0; 1_000_000]] {
            let squeezed = squeeze(kind, &input);
            assert_eq!(inflate(kind, &squeezed, input.len()).unwrap(), input, "{kind:?}");
            // A second time, with the context of the first.
            assert_eq!(squeeze(kind, &input), squeezed, "{kind:?}");
        }
    }
}

#[test]
fn compressing_appends() {
    for kind in Compression::ALL {
        let mut out = b"frame".to_vec();
        deflate(kind, b"hello hello hello", &mut out);
        assert_eq!(&out[..5], b"frame");
        assert_eq!(inflate(kind, &out[5..], 100).unwrap(), "hello hello hello", "{kind:?}");
    }
}

#[test]
fn one_byte_over_the_limit_is_too_large() {
    for kind in Compression::ALL {
        for len in [1, 4095, 4096, 4097, 100_000] {
            let squeezed = squeeze(kind, &varied(len));
            assert!(inflate(kind, &squeezed, len).is_ok(), "{kind:?} {len}");
            let limit = len - 1;
            assert_eq!(
                inflate(kind, &squeezed, limit),
                Err(InflateError::TooLarge { limit }),
                "{kind:?} {len}"
            );
        }
    }
}

#[test]
fn bombs_stop_at_the_limit() {
    for kind in Compression::ALL {
        let bomb = squeeze(kind, &vec![0; 64 << 20]);
        assert_eq!(inflate(kind, &bomb, 1 << 20), Err(InflateError::TooLarge { limit: 1 << 20 }), "{kind:?}");
    }
}

#[test]
fn room_never_exceeds_the_limit_by_more_than_a_byte() {
    for limit in [0, 1, 5000, 1 << 20] {
        let mut out = super::grow::start(&[0; 1 << 20], Some(usize::MAX), limit);
        assert!(out.capacity() <= limit + 1);
        loop {
            out.resize(out.capacity(), 0);
            if super::grow::more(&mut out, limit).is_err() {
                break;
            }
            assert!(out.capacity() <= limit + 1, "{limit}: {}", out.capacity());
        }
    }
}

#[test]
fn promises_of_size_are_not_believed() {
    // Headers that claim 256 MiB with nothing behind them.
    let zstd = b"\x28\xb5\x2f\xfd\xa0\x00\x00\x00\x10";
    let snappy = b"\x80\x80\x80\x80\x01";
    for (kind, bytes) in [(Compression::Zstd, &zstd[..]), (Compression::Snappy, &snappy[..])] {
        assert!(matches!(inflate(kind, bytes, 1 << 30), Err(InflateError::Corrupt(_))), "{kind:?}");
        assert!(matches!(inflate(kind, bytes, 1 << 20), Err(InflateError::TooLarge { .. })), "{kind:?}");
    }
    assert!(super::grow::start(&snappy[..], Some(1 << 28), 1 << 30).capacity() < 1 << 16);
}

#[test]
fn truncation_is_noticed() {
    for kind in Compression::ALL {
        let squeezed = squeeze(kind, &varied(5000));
        for end in 0..squeezed.len() {
            // A framed snappy stream may end at any chunk; it says no length.
            let allowed = kind == Compression::Snappy && end == 10;
            assert_eq!(inflate(kind, &squeezed[..end], 1 << 20).is_ok(), allowed, "{kind:?} {end}");
        }
    }
}

#[test]
fn members_and_frames_join() {
    for kind in [Compression::Gzip, Compression::Zstd, Compression::Snappy] {
        let mut joined = Vec::new();
        for part in [&varied(100)[..], b"", &varied(100_000)] {
            deflate(kind, part, &mut joined);
        }
        let plain = [varied(100), varied(100_000)].concat();
        assert_eq!(inflate(kind, &joined, plain.len()).unwrap(), plain, "{kind:?}");
        assert!(inflate(kind, &joined, plain.len() - 1).is_err());
        joined.extend_from_slice(b"junk");
        assert!(inflate(kind, &joined, 1 << 20).is_err(), "{kind:?}");
    }
}

#[test]
fn gzip_headers_may_carry_names() {
    let mut writer = flate2::GzBuilder::new()
        .filename("spans")
        .comment("a comment")
        .extra(vec![1, 2, 3])
        .write(Vec::new(), flate2::Compression::best());
    writer.write_all(&varied(1000)).unwrap();
    assert_eq!(inflate(Compression::Gzip, &writer.finish().unwrap(), 1000).unwrap(), varied(1000));
}

#[test]
fn gzip_checksums_are_checked() {
    let mut squeezed = squeeze(Compression::Gzip, &varied(1000));
    let at = squeezed.len() - 6;
    squeezed[at] ^= 1;
    assert!(matches!(inflate(Compression::Gzip, &squeezed, 1000), Err(InflateError::Corrupt(_))));
}

#[test]
fn raw_deflate_is_read_too() {
    let mut writer = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    writer.write_all(&varied(1000)).unwrap();
    assert_eq!(inflate(Compression::Deflate, &writer.finish().unwrap(), 1000).unwrap(), varied(1000));
}

#[test]
fn snappy_blocks_are_read_too() {
    let block = snap::raw::Encoder::new().compress_vec(&varied(1000)).unwrap();
    assert_eq!(inflate(Compression::Snappy, &block, 1000).unwrap(), varied(1000));
    assert!(matches!(inflate(Compression::Snappy, &block, 999), Err(InflateError::TooLarge { .. })));
}

#[test]
fn zstd_streams_without_a_size_are_read() {
    let mut writer = zstd::Encoder::new(Vec::new(), 3).unwrap();
    for chunk in varied(300_000).chunks(7000) {
        writer.write_all(chunk).unwrap();
        writer.flush().unwrap();
    }
    let squeezed = writer.finish().unwrap();
    assert_eq!(inflate(Compression::Zstd, &squeezed, 300_000).unwrap(), varied(300_000));
    assert!(matches!(inflate(Compression::Zstd, &squeezed, 299_999), Err(InflateError::TooLarge { .. })));
}

#[test]
fn zstd_windows_are_bounded() {
    let mut writer = zstd::Encoder::new(Vec::new(), 1).unwrap();
    writer.window_log(27).unwrap();
    writer.write_all(&[1; 1000]).unwrap();
    writer.flush().unwrap();
    let squeezed = writer.finish().unwrap();
    assert!(matches!(inflate(Compression::Zstd, &squeezed, 1 << 20), Err(InflateError::Corrupt(_))));
}

#[test]
fn names_are_those_of_the_headers() {
    for kind in Compression::ALL {
        assert_eq!(Compression::from_content_encoding(kind.content_encoding()), Some(kind));
        assert_eq!(Compression::from_grpc_encoding(kind.grpc_encoding()), Some(kind));
    }
    assert_eq!(Compression::from_content_encoding(" GZIP "), Some(Compression::Gzip));
    assert_eq!(Compression::from_content_encoding("zlib"), Some(Compression::Deflate));
    assert_eq!(Compression::from_content_encoding("identity"), None);
    assert_eq!(Compression::from_grpc_encoding("lz4"), None);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_survive(kind in 0..4_usize, input in proptest::collection::vec(any::<u8>(), 0..3000)) {
        let kind = Compression::ALL[kind];
        prop_assert_eq!(&inflate(kind, &squeeze(kind, &input), input.len()).unwrap()[..], &input[..]);
    }

    #[test]
    fn garbage_never_panics(kind in 0..4_usize, input in proptest::collection::vec(any::<u8>(), 0..300), limit in 0..5000_usize) {
        if let Ok(out) = inflate(Compression::ALL[kind], &input, limit) {
            prop_assert!(out.len() <= limit);
        }
    }

    #[test]
    fn damage_never_panics(
        kind in 0..4_usize,
        cut in any::<prop::sample::Index>(),
        flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let kind = Compression::ALL[kind];
        let mut bytes = squeeze(kind, &[varied(2000), vec![0; 2000]].concat());
        for (at, value) in flips {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        bytes.truncate(cut.index(bytes.len()).max(bytes.len() / 2));
        if let Ok(out) = inflate(kind, &bytes, 10_000) {
            prop_assert!(out.len() <= 10_000);
        }
    }
}
