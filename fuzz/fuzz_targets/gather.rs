//! Many requests, split, and each owner's slices gathered into one call: nothing is lost, doubled or redescribed.
#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use prost::Message;
use ringtail::split::{Choice, Slice, count_items, gather, gather_into};
use ringtail_fuzz::{ByBytes, Census, Request, count, head, signal, split};

/// Requests of one input.
const REQUESTS_MAX: usize = 16;

fuzz_target!(|data: &[u8]| {
    let (first, mut rest) = head(data);
    let (signal, owners) = (signal(first), first / 3 % 8);
    let mut slices: BTreeMap<u16, Vec<Slice>> = BTreeMap::new();
    let mut decoded = Some(Vec::new());
    for _ in 0..REQUESTS_MAX {
        let Some((length, after)) = rest.split_first_chunk::<2>() else { break };
        let length = usize::from(u16::from_le_bytes(*length)).min(after.len());
        let (body, after) = after.split_at(length);
        rest = after;
        let Some(split) = split(signal, body, owners) else { continue };
        for (owner, slice) in split.slices {
            slices.entry(owner).or_default().push(slice);
        }
        decoded = decoded.zip(Request::decode(body).ok()).map(|(mut all, one)| {
            all.push(one);
            all
        });
    }
    for (owner, slices) in slices {
        let call = gather(&slices);
        let items: u64 = slices.iter().map(|slice| u64::from(slice.items)).sum();
        assert_eq!(count_items(signal, &call), Ok(items));
        assert!(call.len() <= slices.iter().map(|slice| slice.bytes).sum());
        let mut prefixed = vec![7; 5];
        gather_into(&slices, &mut prefixed);
        assert_eq!((&prefixed[..5], &prefixed[5..]), (&[7; 5][..], &call[..]));
        let Some(requests) = &decoded else { continue };
        let (mut expected, mut found) = (Census::new(), Census::new());
        for request in requests {
            count(request, |item| ByBytes { owners }.choose(item) == Choice::Owner(owner), &mut expected);
        }
        let call = Request::decode(&call[..]).expect("what came from what can be decoded can be decoded");
        count(&call, |_| true, &mut found);
        assert_eq!(found, expected);
    }
});
