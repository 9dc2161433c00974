//! One request, split: each owner's part has exactly the items that the decoded request has for it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use prost::Message;
use ringtail::split::{Choice, gather};
use ringtail_fuzz::{ByBytes, Census, Request, count, head, signal, split};

fuzz_target!(|data: &[u8]| {
    let (first, body) = head(data);
    let owners = first / 3 % 8;
    let Some(split) = split(signal(first), body, owners) else { return };
    let Ok(request) = Request::decode(body) else { return };
    for (owner, slice) in &split.slices {
        let mut expected = Census::new();
        let mine = |item: &[u8]| ByBytes { owners }.choose(item) == Choice::Owner(*owner);
        count(&request, mine, &mut expected);
        let part = gather(std::slice::from_ref(slice));
        let part = Request::decode(&part[..]).expect("what came from what can be decoded can be decoded");
        let mut found = Census::new();
        count(&part, |_| true, &mut found);
        assert_eq!(found, expected);
    }
    let mut nobodys = Census::new();
    count(&request, |item| ByBytes { owners }.choose(item) == Choice::Reject, &mut nobodys);
    assert!(nobodys.is_empty() || owners > 1);
});
