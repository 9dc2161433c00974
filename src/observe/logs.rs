//! Log lines, from `service.telemetry.logs`.
//!
//! A line is one event: whatever a sender put into a value, it cannot begin another line or steer a terminal.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{Layer, Registry, reload};

use super::config::{Encoding, Telemetry};
use super::log_outputs::Outputs;

/// Why logging could not begin.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// A level that does not exist.
    #[error("service.telemetry.logs.level: `{0}` is no level; use debug, info, warn or error")]
    Level(String),
    /// Another subscriber is in place.
    #[error("logs were already set up in this process")]
    Twice,
    /// A file that cannot be opened.
    #[error("service.telemetry.logs.output_paths: cannot open {}: {source}", path.display())]
    Output {
        /// The path.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The subscriber is gone.
    #[error("logs are no longer written; the level cannot be changed")]
    Gone,
}

/// Changes level and encoding of a running process: there is a layer for each encoding, and the filters decide which
/// of them writes.
#[derive(Clone)]
pub struct LogHandle {
    console: reload::Handle<Targets, Registry>,
    json: reload::Handle<Targets, Registry>,
    outputs: Option<Outputs>,
    fields: [Arc<ArcSwap<String>>; 2],
}

impl LogHandle {
    /// Level, encoding and outputs as `telemetry` says; on an error the old ones stay.
    pub fn reconfigure(&self, telemetry: &Telemetry) -> Result<(), LogError> {
        let (console, json) = filters(telemetry)?;
        if let Some(outputs) = &self.outputs {
            outputs.change(&telemetry.log_outputs).map_err(LogError::output)?;
        }
        for (encoding, fields) in ENCODINGS.into_iter().zip(&self.fields) {
            fields.store(Arc::new(written(&telemetry.log_fields, encoding)));
        }
        let gone = |_| LogError::Gone;
        self.console.reload(console).map_err(gone)?;
        self.json.reload(json).map_err(gone)
    }
}

impl LogError {
    fn output((path, source): (PathBuf, io::Error)) -> Self {
        Self::Output { path, source }
    }
}

/// Begins to log. Once in a process.
pub fn init(telemetry: &Telemetry) -> Result<LogHandle, LogError> {
    let outputs = Outputs::open(&telemetry.log_outputs).map_err(LogError::output)?;
    let (subscriber, handle) = subscriber(telemetry, outputs.clone())?;
    tracing::subscriber::set_global_default(subscriber).map_err(|_| LogError::Twice)?;
    Ok(LogHandle { outputs: Some(outputs), ..handle })
}

/// The subscriber that writes to `writer`, and the handle of its level.
pub fn subscriber<W>(
    telemetry: &Telemetry,
    writer: W,
) -> Result<(impl Subscriber + Send + Sync + 'static, LogHandle), LogError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let (console, json) = filters(telemetry)?;
    let (console, console_handle) = reload::Layer::new(console);
    let (json, json_handle) = reload::Layer::new(json);
    let writer = Arc::new(writer);
    let fields = ENCODINGS.map(|encoding| {
        let fields = written(&telemetry.log_fields, encoding);
        Arc::new(ArcSwap::from_pointee(fields))
    });
    let [on_console, in_json] = fields.clone();
    // Colours are control characters, and those are what a value must not be able to write.
    let format = |fields, encoding| {
        let writer = OneLine { to: Arc::clone(&writer), fields, encoding };
        tracing_subscriber::fmt::layer().with_ansi(false).with_writer(writer)
    };
    let layers = vec![
        format(on_console, Encoding::Console).with_filter(console).boxed(),
        format(in_json, Encoding::Json).json().flatten_event(true).with_filter(json).boxed(),
    ];
    Ok((
        Registry::default().with(layers),
        LogHandle { console: console_handle, json: json_handle, outputs: None, fields },
    ))
}

/// What goes to the console's layer, and to that of JSON: everything to the one, nothing to the other.
fn filters(telemetry: &Telemetry) -> Result<(Targets, Targets), LogError> {
    let (chosen, none) = (targets(&telemetry.log_level)?, Targets::new());
    Ok(match telemetry.log_encoding {
        Encoding::Console => (chosen, none),
        Encoding::Json => (none, chosen),
    })
}

/// Our own events at `level`; those of libraries at `info` at most, for `debug` of a transport is a line per frame.
fn targets(level: &str) -> Result<Targets, LogError> {
    let filter = match level.to_ascii_lowercase().as_str() {
        "trace" => LevelFilter::TRACE,
        "debug" => LevelFilter::DEBUG,
        "info" => LevelFilter::INFO,
        "warn" | "warning" => LevelFilter::WARN,
        // The Collector knows levels above error; nothing is logged there.
        "error" | "dpanic" | "panic" | "fatal" => LevelFilter::ERROR,
        _ => return Err(LogError::Level(level.to_owned())),
    };
    Ok(Targets::new().with_default(filter.min(LevelFilter::INFO)).with_target("ringtail", filter))
}

/// In the order of [`LogHandle::fields`].
const ENCODINGS: [Encoding; 2] = [Encoding::Console, Encoding::Json];

/// The fields that every line has, as they stand in it.
fn written(fields: &[(String, serde_json::Value)], encoding: Encoding) -> String {
    let one = |(name, value): &(String, serde_json::Value)| match encoding {
        Encoding::Console => format!(" {name}={value}"),
        Encoding::Json => format!("{}:{value},", serde_json::Value::from(name.as_str())),
    };
    fields.iter().map(one).collect()
}

/// Puts fields into every line, and escapes control characters within it.
struct OneLine<W> {
    to: Arc<W>,
    fields: Arc<ArcSwap<String>>,
    encoding: Encoding,
}

impl<W> OneLine<W> {
    fn line<T>(&self, to: T) -> Line<T> {
        Line { to, fields: self.fields.load_full(), encoding: self.encoding }
    }
}

impl<'a, W: MakeWriter<'a>> MakeWriter<'a> for OneLine<W> {
    type Writer = Line<W::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        self.line(self.to.make_writer())
    }

    fn make_writer_for(&'a self, meta: &tracing::Metadata<'_>) -> Self::Writer {
        self.line(self.to.make_writer_for(meta))
    }
}

struct Line<W> {
    to: W,
    fields: Arc<String>,
    encoding: Encoding,
}

impl<W: Write> Write for Line<W> {
    /// Gets one event at a time, with the newline that ends it.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let line = text.strip_suffix('\n').unwrap_or(&text);
        // An event's own fields come later in JSON, and win.
        let (start, between, end) = match (self.encoding, line.strip_prefix('{')) {
            (Encoding::Json, Some(rest)) => ("{", self.fields.as_str(), rest),
            _ => (line, self.fields.as_str(), ""),
        };
        let mut escaped = String::with_capacity(line.len() + between.len() + 1);
        for c in [start, between, end].into_iter().flat_map(str::chars) {
            // Beside the control characters: what reorders text and what some viewers take for a line's end.
            if c.is_control()
                || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
            {
                // As JSON writes it, so that a JSON line stays one.
                escaped.push_str(&format!("\\u{:04x}", u32::from(c)));
            } else {
                escaped.push(c);
            }
        }
        escaped.push('\n');
        self.to.write_all(escaped.as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parking_lot::Mutex;
    use std::sync::Arc;

    #[derive(Clone, Default)]
    struct Memory(Arc<Mutex<Vec<u8>>>);

    impl Write for Memory {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(telemetry: &Telemetry, events: impl FnOnce(&LogHandle)) -> String {
        let memory = Memory::default();
        let writer = memory.clone();
        let (subscriber, handle) = subscriber(telemetry, move || writer.clone()).unwrap();
        tracing::subscriber::with_default(subscriber, || events(&handle));
        let bytes = memory.0.lock().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_value_cannot_forge_a_line_or_steer_a_terminal() {
        let evil = "x\n2026-01-01 INFO ringtail: forged \u{1b}[2J\u{9b}31m\u{202e}\r";
        for log_encoding in [Encoding::Console, Encoding::Json] {
            let telemetry = Telemetry { log_encoding, ..Telemetry::default() };
            let text = logged(&telemetry, |_| tracing::info!(value = %evil, quoted = evil, "seen {evil}"));
            assert_eq!(text.lines().count(), 1, "{text}");
            if log_encoding == Encoding::Json {
                let line: serde_json::Value = serde_json::from_str(&text).unwrap();
                assert_eq!(line["value"], evil);
            }
            let body = text.strip_suffix('\n').unwrap();
            assert!(!body.chars().any(|c| c.is_control() || c == '\u{202e}'), "{body:?}");
        }
    }

    #[test]
    fn json_lines_are_json() {
        let telemetry = Telemetry { log_encoding: Encoding::Json, ..Telemetry::default() };
        let text = logged(&telemetry, |_| tracing::warn!(backend = "a:1", "gone\u{1}"));
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["level"], "WARN");
        assert_eq!(line["message"], "gone\u{1}");
        assert_eq!(line["backend"], "a:1");
    }

    #[test]
    fn level_and_encoding_can_change_and_a_wrong_level_changes_nothing() {
        let telemetry = |level: &str, log_encoding| Telemetry {
            log_level: level.into(),
            log_encoding,
            ..Telemetry::default()
        };
        let text = logged(&Telemetry::default(), |handle| {
            tracing::debug!("hidden");
            handle.reconfigure(&telemetry("DEBUG", Encoding::Console)).unwrap();
            tracing::debug!("shown");
            let error = handle.reconfigure(&telemetry("loud", Encoding::Json)).unwrap_err().to_string();
            assert!(error.contains("service.telemetry.logs.level: `loud`"), "{error}");
            tracing::debug!("still shown");
            handle.reconfigure(&telemetry("error", Encoding::Json)).unwrap();
            tracing::warn!("quiet");
            tracing::error!("as JSON");
            handle.reconfigure(&telemetry("info", Encoding::Console)).unwrap();
            tracing::info!("for people");
        });
        assert!(!text.contains("hidden") && !text.contains("quiet"), "{text}");
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 4, "each event once: {text}");
        assert!(lines[0].ends_with(" shown") && lines[1].ends_with("still shown"), "{text}");
        let line: serde_json::Value = serde_json::from_str(lines[2]).unwrap();
        assert_eq!(line["message"], "as JSON");
        assert!(lines[3].ends_with("for people"), "{text}");
    }

    #[test]
    fn libraries_do_not_follow_to_debug() {
        let telemetry = Telemetry { log_level: "debug".into(), ..Telemetry::default() };
        let text = logged(&telemetry, |_| {
            tracing::debug!(target: "h2::codec", "frame");
            tracing::info!(target: "h2::codec", "notable");
        });
        assert!(!text.contains("frame") && text.contains("notable"), "{text}");
    }

    #[test]
    fn fields_of_the_configuration_are_on_every_line_and_change_with_it() {
        let telemetry = |log_encoding, value: &str| Telemetry {
            log_encoding,
            log_fields: vec![("site".into(), value.into()), ("n".into(), 5.into())],
            ..Telemetry::default()
        };
        let text = logged(&telemetry(Encoding::Json, "a\"b\n"), |handle| {
            tracing::info!(own = 1, "one");
            handle.reconfigure(&telemetry(Encoding::Console, "c")).unwrap();
            tracing::info!("two");
        });
        let lines: Vec<_> = text.lines().collect();
        let line: serde_json::Value = serde_json::from_str(lines[0]).unwrap();
        assert_eq!((&line["site"], &line["n"], &line["own"]), (&"a\"b\n".into(), &5.into(), &1.into()));
        assert!(lines[1].ends_with("two site=\"c\" n=5"), "{text}");
    }
}
