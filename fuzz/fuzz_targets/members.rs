//! A members file of any content: refused with a reason, or a membership that owns every trace.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use ringtail::discover::read_members;
use ringtail::route::{Ring, Routes};
use ringtail::trace_id::TraceId;

fuzz_target!(|data: &[u8]| {
    let membership = match read_members(Path::new("members.yaml"), data) {
        Ok(membership) => membership,
        Err(refused) => {
            assert!(!refused.to_string().is_empty());
            return;
        }
    };
    let mut ids: Vec<_> = membership.members.iter().map(|member| member.id.as_str()).collect();
    let count = ids.len();
    ids.dedup(); // a membership is sorted by id
    assert!(count > 0 && ids.len() == count);
    if count > 64 {
        return; // look-ups of large memberships are slow to prepare and say nothing new here
    }
    let routes = Routes::new(membership, Ring::Rendezvous);
    for low in 1..=8u128 {
        let id = TraceId::from_slice(&(low << 60 | low).to_be_bytes()).expect("not zero");
        let owner = routes.owner_of_trace(&id).expect("some weight is above zero");
        assert!(routes.members()[usize::from(owner)].weight > 0);
    }
});
