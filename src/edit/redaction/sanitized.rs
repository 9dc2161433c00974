//! What the sanitizers make of texts, beside what came out of the Collector's for them.

use proptest::prelude::*;

use super::db::Language;
use super::url;

/// All that a text can be sanitized as.
const KINDS: [&str; 6] = ["url", "sql", "mysql", "redis", "memcached", "json"];

fn sanitized(kind: &str, text: &[u8]) -> Vec<u8> {
    let hidden = |language: Language| language.hide(text, kind.as_bytes()).into_owned();
    match kind {
        "url" => url::cluster(text),
        "sql" | "mysql" => hidden(Language::Sql),
        "redis" => hidden(Language::Redis),
        "memcached" => hidden(Language::Memcached),
        _ => hidden(Language::Mongo),
    }
}

#[test]
fn texts_become_what_they_become_in_the_collector() {
    let mut seen = [0; KINDS.len()];
    for row in include_str!("sanitized.jsonl").lines() {
        let [kind, text, expected]: [String; 3] = serde_json::from_str(row).unwrap();
        let ours = String::from_utf8(sanitized(&kind, text.as_bytes())).unwrap();
        assert_eq!(ours, expected, "{kind}: {text:?}");
        seen[KINDS.iter().position(|one| *one == kind).unwrap()] += 1;
    }
    assert!(seen.iter().all(|rows| *rows > 5), "{seen:?}");
}

#[test]
fn languages_go_by_the_name_of_the_database() {
    let spoken = |system: &str| {
        let of = |one: &Language| one.is_spoken_by(system.as_bytes());
        Language::ALL.into_iter().filter(of).map(Language::key).collect::<Vec<_>>()
    };
    assert_eq!(spoken("PostgreSQL"), ["sql"]);
    assert_eq!(spoken("valkey"), ["valkey"]);
    assert_eq!(spoken("elasticsearch"), ["es"]);
    assert_eq!(spoken("mssql"), [""; 0]);
    assert_eq!(spoken(""), [""; 0]);
}

/// The time for a text of so many repetitions must not grow with their square.
#[test]
fn long_texts_of_one_kind_end() {
    let parts = [
        "$a", "/*", "/**/", "\"", "\"a\".", "$f$ ", "'\\", "[", "{\"a\":", "SET \"", "\n ", "a/", "@@", "=?",
    ];
    for part in parts {
        let text = part.repeat(200_000);
        for kind in KINDS {
            assert!(sanitized(kind, text.as_bytes()).len() <= 3 * text.len(), "{kind}: {part}");
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_will_do(text in proptest::collection::vec(any::<u8>(), 0..80)) {
        for kind in KINDS {
            prop_assert!(sanitized(kind, &text).len() <= 3 * text.len() + 1);
        }
    }

    #[test]
    fn any_signs_will_do(text in r#"[a01 '"`$@#/*:=?<>|\\\-+.eExX(){}\[\],;n_é\n\t\r&]{0,60}"#) {
        for kind in KINDS {
            prop_assert!(sanitized(kind, text.as_bytes()).len() <= 3 * text.len() + 1);
        }
    }
}
