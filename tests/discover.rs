//! Sources of members against real files and a small DNS server.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use ringtail::discover::{Config, Context, Discovery, Dns, Event, MembersFile, Rejection, start};
use ringtail::route::{Membership, Ring, Routes};
use tokio::net::UdpSocket;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Longest wait for anything; only a failing test takes it.
const DEADLINE: Duration = Duration::from_secs(20);
/// Longer than any test: what happens, happens for another reason.
const NEVER: Duration = Duration::from_secs(3600);

type Events = Arc<Mutex<Vec<Event>>>;

fn context() -> (Context, Events) {
    let events = Events::default();
    let sink = Arc::clone(&events);
    let context = Context {
        on_event: Box::new(move |event| sink.lock().push(event)),
        ..Context::new(CancellationToken::new())
    };
    (context, events)
}

fn ids(membership: &Membership) -> Vec<&str> {
    membership.members.iter().map(|member| member.id.as_str()).collect()
}

fn current(discovery: &Discovery) -> Arc<Membership> {
    discovery.members().borrow().clone()
}

async fn members_become(members: &mut watch::Receiver<Arc<Membership>>, wanted: &[&str]) {
    let wait = members.wait_for(|membership| ids(membership) == wanted);
    let seen = tokio::time::timeout(DEADLINE, wait).await.map(|seen| seen.map(|_| ()));
    assert!(matches!(seen, Ok(Ok(()))), "wanted {wanted:?}, have {:?}", members.borrow());
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let wait = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    assert!(tokio::time::timeout(DEADLINE, wait).await.is_ok(), "never: {what}");
}

// ---- static ---------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn a_static_list_is_sorted_unique_and_keeps_its_strings() {
    let hostnames = ["b", "a:99", "b", "[::1]", "c"].map(String::from).to_vec();
    let (context, events) = context();
    let discovery = start(Config::Static(hostnames), context).await.unwrap();
    let membership = current(&discovery);
    assert_eq!(ids(&membership), ["[::1]", "a:99", "b", "c"]);
    let dialled: Vec<&str> = membership.members.iter().map(|m| m.address.as_str()).collect();
    assert_eq!(dialled, ["[::1]:4317", "a:99", "b:4317", "c:4317"]);
    assert!(discovery.refresh().await.unwrap().is_empty());
    assert_eq!(events.lock()[..2], [Event::Resolved { success: true }, Event::Updated { members: 4 }]);
    assert_eq!(discovery.status().kind, "static");
    assert!(Routes::new(membership, Ring::CollectorV3).owner_of_zero().is_some());
}

#[tokio::test]
async fn a_faulty_static_list_does_not_start() {
    for hostnames in [vec![], vec!["http://a".to_owned()]] {
        assert!(start(Config::Static(hostnames), context().0).await.is_err());
    }
}

#[tokio::test]
async fn dropping_a_source_stops_it() {
    let discovery = start(Config::Static(vec!["a".to_owned()]), context().0).await.unwrap();
    let mut members = discovery.members();
    drop(discovery);
    let ended = tokio::time::timeout(DEADLINE, async { while members.changed().await.is_ok() {} });
    assert!(ended.await.is_ok());
    assert_eq!(ids(&members.borrow()), ["a"], "the last list stays readable");
}

#[tokio::test]
async fn a_cancelled_source_says_so() {
    let cancel = CancellationToken::new();
    let context = Context::new(cancel.clone());
    let discovery = start(Config::Static(vec!["a".to_owned()]), context).await.unwrap();
    cancel.cancel();
    let mut members = discovery.members();
    while members.changed().await.is_ok() {}
    assert_eq!(discovery.refresh().await, Err(Rejection::Stopped));
}

// ---- file -----------------------------------------------------------------------------------------------------------

fn text(epoch: Option<u64>, names: &[&str]) -> String {
    let epoch = epoch.map(|epoch| format!("epoch: {epoch}\n")).unwrap_or_default();
    let members: String =
        names.iter().map(|name| format!("- address: {name}:4317\n  id: {name}\n")).collect();
    format!("{epoch}members:\n{members}")
}

/// A members file that only the watch can see change, unless `poll` is short.
fn config(path: &Path, poll: Duration) -> Config {
    Config::File(MembersFile {
        path: path.to_owned(),
        poll_interval: poll,
        debounce: Duration::from_millis(10),
        max_shrink: 500,
    })
}

fn replace(path: &Path, content: &str) {
    let temporary = path.with_extension("new");
    fs::write(&temporary, content).unwrap();
    fs::rename(&temporary, path).unwrap();
}

struct File {
    _dir: tempfile::TempDir,
    path: PathBuf,
    discovery: Discovery,
    members: watch::Receiver<Arc<Membership>>,
    events: Events,
}

async fn file(content: &str, poll: Duration) -> File {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("members.yaml");
    fs::write(&path, content).unwrap();
    let (context, events) = context();
    let discovery = start(config(&path, poll), context).await.unwrap();
    let members = discovery.members();
    File { _dir: dir, path, discovery, members, events }
}

#[tokio::test]
async fn a_missing_or_invalid_file_does_not_start() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("members.yaml");
    let missing = start(config(&path, NEVER), context().0).await.unwrap_err();
    assert!(matches!(&missing, Rejection::Unreadable(text) if text.contains("members.yaml")), "{missing}");
    assert!(matches!(start(config(dir.path(), NEVER), context().0).await, Err(Rejection::Unreadable(_))));
    fs::write(&path, "members:\n- adress: a\n").unwrap();
    let invalid = start(config(&path, NEVER), context().0).await.unwrap_err();
    assert!(invalid.to_string().contains("members.yaml:2:3"), "{invalid}");
    fs::write(&path, vec![b'#'; (1 << 20) + 1]).unwrap();
    let huge = start(config(&path, NEVER), context().0).await.unwrap_err();
    assert!(huge.to_string().contains("1 MiB"), "{huge}");
}

#[tokio::test]
async fn a_rename_over_the_file_is_seen() {
    let mut file = file(&text(None, &["a", "b"]), NEVER).await;
    for round in ["c", "d", "e"] {
        replace(&file.path, &text(None, &["a", "b", round]));
        members_become(&mut file.members, &["a", "b", round]).await;
    }
    let status = file.discovery.status();
    assert_eq!((status.kind, status.last_error), ("file", None));
    assert!(status.last_success.is_some() && status.content_hash != 0);
    assert!(file.events.lock().contains(&Event::Updated { members: 3 }));
}

#[tokio::test]
async fn a_configmap_swap_is_seen() {
    let dir = tempfile::tempdir().unwrap();
    let version = |number: u32, content: &str| {
        let name = format!("..2026_{number}");
        fs::create_dir(dir.path().join(&name)).unwrap();
        fs::write(dir.path().join(&name).join("members.yaml"), content).unwrap();
        std::os::unix::fs::symlink(&name, dir.path().join("..data_tmp")).unwrap();
        fs::rename(dir.path().join("..data_tmp"), dir.path().join("..data")).unwrap();
        if number > 0 {
            fs::remove_dir_all(dir.path().join(format!("..2026_{}", number - 1))).unwrap();
        }
    };
    version(0, &text(None, &["a"]));
    let path = dir.path().join("members.yaml");
    std::os::unix::fs::symlink("..data/members.yaml", &path).unwrap();
    let discovery = start(config(&path, NEVER), context().0).await.unwrap();
    let mut members = discovery.members();
    version(1, &text(None, &["a", "b"]));
    members_become(&mut members, &["a", "b"]).await;
    version(2, &text(None, &["a", "b", "c"]));
    members_become(&mut members, &["a", "b", "c"]).await;
}

#[tokio::test]
async fn a_link_into_another_directory_is_followed() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let target = there.path().join("real.yaml");
    fs::write(&target, text(None, &["a"])).unwrap();
    let path = here.path().join("members.yaml");
    std::os::unix::fs::symlink(&target, &path).unwrap();
    let discovery = start(config(&path, NEVER), context().0).await.unwrap();
    let mut members = discovery.members();
    replace(&target, &text(None, &["a", "b"]));
    members_become(&mut members, &["a", "b"]).await;
}

#[tokio::test]
async fn a_change_without_any_event_is_found_by_the_poll() {
    // The directory on the way is swapped: nothing happens in the directory that is watched.
    let dir = tempfile::tempdir().unwrap();
    for (name, members) in [("v1", &["a"][..]), ("v2", &["a", "b"])] {
        fs::create_dir(dir.path().join(name)).unwrap();
        fs::write(dir.path().join(name).join("members.yaml"), text(None, members)).unwrap();
    }
    let link = |name: &str| {
        std::os::unix::fs::symlink(name, dir.path().join("next")).unwrap();
        fs::rename(dir.path().join("next"), dir.path().join("current")).unwrap();
    };
    link("v1");
    let path = dir.path().join("current/members.yaml");
    let discovery = start(config(&path, Duration::from_millis(20)), context().0).await.unwrap();
    let mut members = discovery.members();
    link("v2");
    members_become(&mut members, &["a", "b"]).await;
    fs::write(dir.path().join("v2/members.yaml"), text(None, &["a", "b", "c"])).unwrap();
    members_become(&mut members, &["a", "b", "c"]).await;
}

#[tokio::test]
async fn half_a_file_changes_nothing_until_the_rest_is_written() {
    let mut file = file(&text(None, &["a", "b"]), NEVER).await;
    let whole = text(None, &["a", "b", "c"]);
    fs::write(&file.path, &whole[..whole.len() - 20]).unwrap();
    until("the half is refused", || file.discovery.status().last_error.is_some()).await;
    assert_eq!(ids(&file.members.borrow()), ["a", "b"]);
    fs::write(&file.path, "").unwrap();
    fs::write(&file.path, &whole).unwrap();
    members_become(&mut file.members, &["a", "b", "c"]).await;
    assert_eq!(file.discovery.status().last_error, None);
}

#[tokio::test]
async fn a_list_that_is_still_being_written_is_not_taken_for_whole() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("members.yaml");
    fs::write(&path, text(None, &["a", "b"])).unwrap();
    let Config::File(file) = config(&path, NEVER) else { unreachable!() };
    let slow = MembersFile { debounce: Duration::from_secs(1), ..file };
    let discovery = start(Config::File(slow), context().0).await.unwrap();
    // A valid list, but not all of it.
    fs::write(&path, text(None, &["a"])).unwrap();
    let write_the_rest = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        fs::write(&path, text(None, &["a", "b", "c"])).unwrap();
    };
    let (change, ()) = tokio::join!(discovery.refresh(), write_the_rest);
    assert_eq!(change.unwrap().to_string(), "added c");
}

#[tokio::test]
async fn a_deleted_file_leaves_its_members_in_force() {
    let mut file = file(&text(None, &["a", "b"]), NEVER).await;
    fs::remove_file(&file.path).unwrap();
    until("the loss is noticed", || file.discovery.status().last_error.is_some()).await;
    assert!(matches!(file.discovery.refresh().await, Err(Rejection::Unreadable(_))));
    assert_eq!(ids(&file.members.borrow()), ["a", "b"]);
    fs::write(&file.path, text(None, &["a", "c"])).unwrap();
    members_become(&mut file.members, &["a", "c"]).await;
}

#[tokio::test]
async fn a_deleted_directory_is_watched_again_when_it_returns() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("mount");
    let path = folder.join("members.yaml");
    fs::create_dir(&folder).unwrap();
    fs::write(&path, text(None, &["a"])).unwrap();
    let discovery = start(config(&path, NEVER), context().0).await.unwrap();
    let mut members = discovery.members();
    fs::remove_dir_all(&folder).unwrap();
    until("the loss is noticed", || discovery.status().last_error.is_some()).await;
    fs::create_dir(&folder).unwrap();
    fs::write(&path, text(None, &["a", "b"])).unwrap();
    discovery.refresh().await.unwrap();
    members_become(&mut members, &["a", "b"]).await;
    replace(&path, &text(None, &["a", "b", "c"]));
    members_become(&mut members, &["a", "b", "c"]).await;
}

#[tokio::test]
async fn too_large_a_shrink_is_refused_unless_forced() {
    let mut file = file(&text(Some(1), &["a", "b", "c", "d"]), NEVER).await;
    replace(&file.path, &text(Some(2), &["a"]));
    let refused = file.discovery.refresh().await.unwrap_err();
    assert!(matches!(&refused, Rejection::Shrink(text) if text.contains("3 of 4")), "{refused}");
    assert_eq!(ids(&file.members.borrow()), ["a", "b", "c", "d"]);
    replace(&file.path, &format!("force: true\n{}", text(Some(2), &["a"])));
    members_become(&mut file.members, &["a"]).await;
    assert_eq!(file.members.borrow().epoch, Some(2));
}

#[tokio::test]
async fn epochs_that_do_not_rise_are_refused() {
    let file = file(&text(Some(5), &["a", "b"]), NEVER).await;
    for faulty in [text(Some(4), &["a", "b"]), text(Some(5), &["a", "c"]), text(None, &["a", "b"])] {
        replace(&file.path, &faulty);
        assert!(matches!(file.discovery.refresh().await, Err(Rejection::Epoch(_))), "{faulty}");
        assert_eq!(ids(&current(&file.discovery)), ["a", "b"]);
    }
    replace(&file.path, &format!("# only a comment\n{}", text(Some(5), &["a", "b"])));
    assert!(file.discovery.refresh().await.unwrap().is_empty());
    replace(&file.path, &text(Some(6), &["a", "c"]));
    file.discovery.refresh().await.unwrap();
    assert_eq!(ids(&current(&file.discovery)), ["a", "c"]);
}

#[tokio::test]
async fn refresh_says_what_changed() {
    let file = file(&text(None, &["a", "b"]), NEVER).await;
    fs::write(&file.path, text(None, &["a", "c"]).replace("a:4317", "a:5317")).unwrap();
    // The watch may be first; then there is nothing left to change.
    let change = file.discovery.refresh().await.unwrap();
    assert!(change.is_empty() || change.to_string() == "added c; removed b; altered a", "{change}");
    assert_eq!(current(&file.discovery).members[0].address, "a:5317");
}

#[tokio::test]
async fn the_same_refusal_is_told_once() {
    let file = file(&text(None, &["a"]), Duration::from_millis(5)).await;
    replace(&file.path, "members: []\n");
    let count = |wanted: Event| file.events.lock().iter().filter(|event| **event == wanted).count();
    until("several polls refuse it", || count(Event::Resolved { success: false }) >= 5).await;
    assert_eq!(count(Event::Refused { reason: "empty" }), 1);
    replace(&file.path, &text(None, &["a"]));
    until("the source is well again", || file.discovery.status().last_error.is_none()).await;
    assert_eq!(count(Event::Updated { members: 1 }), 1, "the list never changed");
}

#[tokio::test]
async fn reading_the_file_is_no_reason_to_read_it_again() {
    let file = file(&text(None, &["a"]), NEVER).await;
    file.discovery.refresh().await.unwrap();
    let resolved = || file.events.lock().len();
    let before = resolved();
    // Twenty debounce times; a loop of reading and being told of it would have turned several times.
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(resolved() <= before + 1, "{} reads", resolved() - before);
}

// ---- dns ------------------------------------------------------------------------------------------------------------

const A: u16 = 1;
const AAAA: u16 = 28;

#[derive(Clone, Debug)]
enum Reply {
    Addresses(Vec<IpAddr>),
    Code(u8),
    Silence,
}

fn addresses(list: &[&str]) -> Reply {
    Reply::Addresses(list.iter().map(|ip| ip.parse().unwrap()).collect())
}

/// A name server that answers every A and AAAA question as its script says.
struct Server {
    address: SocketAddr,
    script: Script,
}

type Script = Arc<Mutex<Box<dyn FnMut(u16) -> Reply + Send>>>;

impl Server {
    async fn start(script: impl FnMut(u16) -> Reply + Send + 'static) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let script: Script = Arc::new(Mutex::new(Box::new(script)));
        let answers = Arc::clone(&script);
        tokio::spawn(async move {
            let mut buffer = [0; 1500];
            while let Ok((length, peer)) = socket.recv_from(&mut buffer).await {
                if let Some(answer) = answer(&buffer[..length], &answers) {
                    socket.send_to(&answer, peer).await.unwrap();
                }
            }
        });
        Self { address, script }
    }

    fn answers(&self, script: impl FnMut(u16) -> Reply + Send + 'static) {
        *self.script.lock() = Box::new(script);
    }

    async fn discover(&self, interval: Duration, timeout: Duration) -> (Discovery, Events) {
        let (context, events) = context();
        let dns = Dns { hostname: "samplers.test.".to_owned(), port: 4317, interval, timeout };
        let context = Context { name_servers: vec![self.address], ..context };
        (start(Config::Dns(dns), context).await.unwrap(), events)
    }
}

fn answer(query: &[u8], script: &Script) -> Option<Vec<u8>> {
    let name_end = 12 + query[12..].iter().position(|byte| *byte == 0)?;
    let question = &query[12..name_end + 5];
    let record_type = u16::from_be_bytes([query[name_end + 1], query[name_end + 2]]);
    let (code, list) = match (script.lock())(record_type) {
        Reply::Silence => return None,
        Reply::Code(code) => (code, Vec::new()),
        Reply::Addresses(list) => (0, list),
    };
    let list: Vec<_> = list.into_iter().filter(|ip| ip.is_ipv4() == (record_type == A)).collect();
    let mut reply = query[..2].to_vec();
    reply.extend([0x81, 0x80 | code, 0, 1, 0, list.len() as u8, 0, 0, 0, 0]);
    reply.extend(question);
    for ip in list {
        let bytes = match ip {
            IpAddr::V4(ip) => ip.octets().to_vec(),
            IpAddr::V6(ip) => ip.octets().to_vec(),
        };
        reply.extend([0xc0, 12]);
        reply.extend(record_type.to_be_bytes());
        reply.extend([0, 1, 0, 0, 0, 30, 0, bytes.len() as u8]);
        reply.extend(bytes);
    }
    Some(reply)
}

#[tokio::test]
async fn every_address_of_both_families_is_a_member() {
    let server = Server::start(|_| addresses(&["10.0.0.2", "10.0.0.1", "2001:db8::1"])).await;
    let (discovery, events) = server.discover(NEVER, DEADLINE).await;
    assert_eq!(ids(&current(&discovery)), ["10.0.0.1:4317", "10.0.0.2:4317", "[2001:db8::1]:4317"]);
    assert_eq!(events.lock()[..], [Event::Resolved { success: true }, Event::Updated { members: 3 }]);
    assert_eq!(discovery.status().source, "samplers.test., port 4317");
}

#[tokio::test]
async fn a_new_address_joins_at_the_next_look_up() {
    let server = Server::start(|_| addresses(&["10.0.0.1"])).await;
    let (discovery, _) = server.discover(Duration::from_millis(50), DEADLINE).await;
    let mut members = discovery.members();
    server.answers(|_| addresses(&["10.0.0.1", "10.0.0.2"]));
    members_become(&mut members, &["10.0.0.1:4317", "10.0.0.2:4317"]).await;
}

#[tokio::test]
async fn a_name_that_does_not_resolve_starts_empty_and_is_asked_again() {
    let server = Server::start(|_| Reply::Code(3)).await;
    let (discovery, events) = server.discover(Duration::from_millis(50), DEADLINE).await;
    assert!(current(&discovery).members.is_empty());
    assert!(events.lock().contains(&Event::Refused { reason: "unresolved" }));
    let mut members = discovery.members();
    server.answers(|_| addresses(&["10.0.0.1"]));
    members_become(&mut members, &["10.0.0.1:4317"]).await;
    assert_eq!(discovery.status().last_error, None);
}

#[tokio::test]
async fn failures_and_empty_answers_keep_the_members() {
    let server = Server::start(|_| addresses(&["10.0.0.1", "10.0.0.2"])).await;
    let (discovery, _) = server.discover(NEVER, Duration::from_millis(600)).await;
    for (reply, what) in [
        (Reply::Code(3), "NXDOMAIN"),
        (Reply::Code(2), "SERVFAIL"),
        (addresses(&[]), "empty"),
        (Reply::Silence, "timeout"),
    ] {
        server.answers(move |_| reply.clone());
        let refused = discovery.refresh().await;
        assert!(matches!(refused, Err(Rejection::Unresolved(_))), "{what}: {refused:?}");
        assert_eq!(ids(&current(&discovery)), ["10.0.0.1:4317", "10.0.0.2:4317"], "{what}");
        assert!(discovery.status().last_error.is_some_and(|text| text.contains("samplers.test.")), "{what}");
    }
}

#[tokio::test]
async fn one_short_answer_removes_nobody() {
    let server = Server::start(|_| addresses(&["10.0.0.1", "10.0.0.2"])).await;
    let (discovery, _) = server.discover(NEVER, DEADLINE).await;
    let mut questions = 0;
    server.answers(move |record_type| {
        questions += u32::from(record_type == A);
        if questions == 1 {
            addresses(&["10.0.0.2"])
        } else {
            addresses(&["10.0.0.1", "10.0.0.2", "10.0.0.3"])
        }
    });
    let change = discovery.refresh().await.unwrap();
    assert_eq!(change.to_string(), "added 10.0.0.3:4317");
}

#[tokio::test]
async fn two_short_answers_in_a_row_remove() {
    let server = Server::start(|_| addresses(&["10.0.0.1", "10.0.0.2"])).await;
    let (discovery, _) = server.discover(NEVER, DEADLINE).await;
    server.answers(|_| addresses(&["10.0.0.2"]));
    let change = discovery.refresh().await.unwrap();
    assert_eq!(change.to_string(), "removed 10.0.0.1:4317");
    assert_eq!(ids(&current(&discovery)), ["10.0.0.2:4317"]);
}

#[tokio::test]
async fn a_family_that_fails_keeps_its_addresses() {
    let server = Server::start(|_| addresses(&["10.0.0.1", "2001:db8::1"])).await;
    let (discovery, _) = server.discover(NEVER, Duration::from_millis(600)).await;
    for reply in [Reply::Code(2), Reply::Silence] {
        server.answers(move |record_type| match record_type {
            AAAA => reply.clone(),
            _ => addresses(&["10.0.0.1", "10.0.0.2"]),
        });
        discovery.refresh().await.unwrap();
        assert_eq!(ids(&current(&discovery)), ["10.0.0.1:4317", "10.0.0.2:4317", "[2001:db8::1]:4317"]);
    }
}

#[tokio::test]
async fn literals_and_names_of_the_hosts_file_need_no_server() {
    for (hostname, port, id, dialled) in [
        ("127.0.0.1", 0, "127.0.0.1", "127.0.0.1:4317"),
        ("::1", 0, "[::1]", "[::1]:4317"),
        ("[::1]", 9, "[::1]:9", "[::1]:9"),
        ("localhost", 0, "127.0.0.1", "127.0.0.1:4317"),
    ] {
        let timeout = Duration::from_secs(2);
        let dns = Dns { hostname: hostname.to_owned(), port, interval: NEVER, timeout };
        let discovery = start(Config::Dns(dns), context().0).await.unwrap();
        let membership = current(&discovery);
        let member = membership.members.iter().find(|member| member.id == id);
        assert_eq!(member.map(|member| member.address.as_str()), Some(dialled), "{hostname}: {membership:?}");
    }
}

#[tokio::test]
async fn names_of_the_hosts_file_resolve_without_dns() {
    // Most machines and containers list their own name; one that lists only localhost still tests that.
    let hosts = fs::read_to_string("/etc/hosts").unwrap_or_default();
    let own = hosts
        .lines()
        .filter_map(|line| line.split('#').next()?.split_once(char::is_whitespace))
        .filter(|(ip, _)| ip.parse::<IpAddr>().is_ok_and(|ip| ip.is_ipv4()))
        .filter_map(|(ip, names)| Some((ip, names.split_whitespace().next()?)))
        .find(|(_, name)| *name != "localhost");
    let (ip, hostname) = own.unwrap_or(("127.0.0.1", "localhost"));
    let nobody = SocketAddr::from(([127, 0, 0, 1], 9));
    let context = Context { name_servers: vec![nobody], ..context().0 };
    let timeout = Duration::from_millis(900);
    let dns = Dns { hostname: hostname.to_owned(), port: 7, interval: NEVER, timeout };
    let discovery = start(Config::Dns(dns), context).await.unwrap();
    assert!(
        ids(&current(&discovery)).contains(&format!("{ip}:7").as_str()),
        "{hostname}: {:?}",
        discovery.status()
    );
}
