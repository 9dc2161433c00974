//! The command line: what can be asked for, and the answers that need nothing but the configuration.

use std::ffi::OsString;
use std::io::Write;
use std::path::Path;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

use super::explain;
use crate::config::{self, Diagnostic, Errors, Format, Gates, Loaded, Mode, Options, Severity};

/// Gates of the Collector that may be set. Those that mean something here are in [`Gates`].
const GATES: &[&str] = &[
    "confmap.enableMergeAppendOption",
    "exporter.file.nativeCompression",
    "extension.healthcheck.useComponentStatus",
    "filter.filterlog.useOTTLBridge",
    "filter.filtermetric.useOTTLBridge",
    "filter.filterspan.useOTTLBridge",
    "otelcol.printInitialConfig",
    "ottl.PanicDuplicateName",
    "ottl.contexts.enableOTelColContext",
    "ottl.functions.enableLambda",
    "ottl.set.allowNil",
    "pdata.useProtoPooling",
    "pkg.exporterhelper.queueBatchEnabled",
    "processor.filter.defaultErrorModeIgnore",
    "processor.tailsamplingprocessor.metricstatcountbytessampled",
    "processor.tailsamplingprocessor.metricstatcountspanssampled",
    "processor.tailsamplingprocessor.recordpolicy",
    "processor.tailsamplingprocessor.tailstorageextension",
    "processor.tailsamplingprocessor.usetracestate",
    "processor.transform.defaultErrorModeIgnore",
    "receiverhelper.newReceiverMetrics",
    "service.AllowNoPipelines",
    "service.partialReload",
    "service.partialReloadReceivers",
    "service.profilesSupport",
    "telemetry.newPipelineTelemetry",
    "transform.flatten.logs",
];

#[derive(Parser)]
#[command(name = "ringtail", version, about, disable_version_flag = true, max_term_width = 100)]
struct Line {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    shared: Shared,
    /// Print the version.
    #[arg(short = 'v', short_alias = 'V', long, action = ArgAction::Version)]
    version: Option<bool>,
}

#[derive(Args)]
struct Shared {
    /// A configuration: a file, a directory, file:PATH, yaml:TEXT or env:NAME. May be given several times; later ones
    /// are laid over earlier ones. Without any, OTLP on localhost is shown as it arrives.
    #[arg(long, global = true, value_name = "SOURCE")]
    config: Vec<String>,
    /// One value of the configuration, laid over all files: exporters.debug.verbosity=detailed.
    #[arg(long, global = true, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Feature gates of the Collector, with commas between: those of tail_sampling have an effect, the others none.
    #[arg(long, global = true, value_name = "GATES", value_parser = known_gates, allow_hyphen_values = true)]
    feature_gates: Vec<String>,
    /// Start all the same when components of the Collector do not exist here: receivers, exporters, connectors and
    /// extensions are left out, a pipeline with such a processor or without a receiver or exporter is left out whole,
    /// each with a warning.
    #[arg(long, global = true)]
    skip_unavailable: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Run (the default).
    Run,
    /// Check the configuration and say what is wrong with it.
    Validate,
    /// Print the configuration, merged and with every default.
    #[command(alias = "print-initial-config")]
    PrintConfig {
        /// Whether secrets are shown.
        #[arg(long, value_enum, default_value = "redacted")]
        mode: ModeName,
        /// How it is written.
        #[arg(long, value_enum, default_value = "yaml")]
        format: FormatName,
        /// Refuse to print what is not valid.
        #[arg(long, default_value_t = true, num_args = 0..=1, default_missing_value = "true", action = ArgAction::Set)]
        validate: bool,
    },
    /// Say why a running ringtail kept a trace, or did not.
    Explain {
        /// 32 hexadecimal digits.
        trace_id: String,
        /// Where its admin API listens (extensions.admin.endpoint).
        #[arg(long, value_name = "HOST:PORT", default_value = "localhost:4319")]
        admin: String,
        /// Print what it answers as JSON.
        #[arg(long)]
        json: bool,
    },
    /// List the components of this version.
    Components,
}

#[derive(Clone, Copy, ValueEnum)]
enum ModeName {
    Redacted,
    Unredacted,
}

#[derive(Clone, Copy, ValueEnum)]
enum FormatName {
    Yaml,
    Json,
}

/// What the command line asks for, once configuration errors are out of the way.
#[derive(Debug)]
pub enum Action {
    /// Start the service.
    Run(Box<Run>),
    /// Everything is done; leave with this code.
    Done(u8),
}

/// A service to start.
#[derive(Debug)]
pub struct Run {
    /// `--config` values, to read again when they change.
    pub sources: Vec<String>,
    /// `--set` values, likewise.
    pub sets: Vec<String>,
    /// `--feature-gates` and `--skip-unavailable`, likewise.
    pub options: Options,
    /// The configuration; its warnings have been written.
    pub loaded: Loaded,
}

impl Run {
    /// Reads the configuration again, as it was read at the start.
    pub fn read_again(&self) -> Result<Loaded, Errors> {
        if let Some(path) = self.loaded.files.iter().find(|path| is_read_once(path)) {
            let file = path.display().to_string();
            let message = format!("the file {file} is a pipe, which cannot be read a second time");
            let help = Some("give a file, and change that".to_owned());
            let (path, severity) = (String::new(), Severity::Error);
            return Err(Errors(vec![Diagnostic { severity, message, path, file, line: 0, column: 0, help }]));
        }
        let env = |name: &str| std::env::var(name).ok();
        config::load_with(&self.sources, &self.sets, self.options, &env)
    }
}

/// A pipe, a terminal: what was there is gone, and more may never come.
pub fn is_read_once(path: &Path) -> bool {
    path.metadata().is_ok_and(|metadata| !metadata.is_file())
}

/// Does what the arguments ask for, as far as the configuration alone can answer it. `args` begins with the program.
pub fn main(
    args: impl IntoIterator<Item = OsString>,
    env: &dyn Fn(&str) -> Option<String>,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Action {
    let line = match Line::try_parse_from(args) {
        Ok(line) => line,
        Err(error) => return usage(&error, out, err),
    };
    let Shared { config: sources, set: sets, feature_gates, skip_unavailable } = line.shared;
    let options = Options { gates: gates(&feature_gates, err), skip_unavailable };
    match line.command.unwrap_or(Command::Run) {
        Command::Explain { trace_id, admin, json } => match explain::explain(&admin, &trace_id, json) {
            Ok(text) => {
                let _ = out.write_all(text.as_bytes());
                Action::Done(0)
            }
            Err(error) => {
                tell(err, &format!("Error: {error}"));
                Action::Done(1)
            }
        },
        Command::Components => {
            let _ = out.write_all(config::components().as_bytes());
            Action::Done(0)
        }
        Command::PrintConfig { mode, format, validate } => {
            let mode = match mode {
                ModeName::Redacted => Mode::Redacted,
                ModeName::Unredacted => Mode::Unredacted,
            };
            let format = match format {
                FormatName::Yaml => Format::Yaml,
                FormatName::Json => Format::Json,
            };
            let text = if validate {
                config::load_with(&sources, &sets, options, env).map(|loaded| {
                    warn(err, &loaded.warnings);
                    loaded.print(mode, format)
                })
            } else {
                config::print_unchecked(&sources, &sets, options, env, mode, format)
            };
            match text {
                Ok(text) => {
                    let _ = out.write_all(text.as_bytes());
                    Action::Done(0)
                }
                Err(errors) => refuse(err, &errors),
            }
        }
        command => match config::load_with(&sources, &sets, options, env) {
            Err(errors) => refuse(err, &errors),
            Ok(loaded) => {
                warn(err, &loaded.warnings);
                match command {
                    Command::Run => Action::Run(Box::new(Run { sources, sets, options, loaded })),
                    _ => Action::Done(0),
                }
            }
        },
    }
}

/// Help and the version go to standard output, mistakes to standard error.
fn usage(error: &clap::Error, out: &mut dyn Write, err: &mut dyn Write) -> Action {
    let text = error.render().to_string();
    if error.use_stderr() {
        tell(err, &format!("Error: {}", text.strip_prefix("error: ").unwrap_or(&text).trim_end()));
        Action::Done(1)
    } else {
        let _ = out.write_all(text.as_bytes());
        Action::Done(0)
    }
}

fn refuse(err: &mut dyn Write, errors: &Errors) -> Action {
    let count = match errors.0.len() {
        1 => "one error".to_owned(),
        more => format!("{more} errors"),
    };
    tell(err, &format!("Error: invalid configuration: {count}\n\n{errors}"));
    Action::Done(1)
}

fn warn(err: &mut dyn Write, warnings: &[Diagnostic]) {
    warnings.iter().for_each(|warning| tell(err, &warning.to_string()));
}

/// A standard error that is gone is no reason to stop.
fn tell(err: &mut dyn Write, text: &str) {
    let _ = writeln!(err, "{text}");
}

/// What `a,-b,+c` switches; what has no effect here is named.
fn gates(given: &[String], err: &mut dyn Write) -> Gates {
    let mut gates = Gates::default();
    let mut idle = Vec::new();
    for gate in given.iter().flat_map(|text| text.split(',')).filter(|gate| !gate.is_empty()) {
        let name = gate.strip_prefix(['-', '+']).unwrap_or(gate);
        if !gates.switch(name, !gate.starts_with('-')) {
            idle.push(name);
        }
    }
    if !idle.is_empty() {
        tell(err, &format!("warning: feature gates without effect here: {}", idle.join(", ")));
    }
    gates
}

/// `a,-b,+c`, each a known gate.
fn known_gates(text: &str) -> Result<String, String> {
    for gate in text.split(',').filter(|gate| !gate.is_empty()) {
        let name = gate.strip_prefix(['-', '+']).unwrap_or(gate);
        if !GATES.contains(&name) {
            return Err(format!("no such feature gate {name:?}. valid gates: [{}]", GATES.join(" ")));
        }
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "yaml:{receivers: {otlp: {protocols: {grpc: }}}, exporters: {nop: }, \
                        service: {pipelines: {traces: {receivers: [otlp], exporters: [nop]}}}}";

    /// The exit code (100 for run), standard output and standard error.
    fn call(args: &[&str]) -> (u8, String, String) {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let args = std::iter::once("ringtail").chain(args.iter().copied()).map(OsString::from);
        let code = match main(args, &|_| None, &mut out, &mut err) {
            Action::Run(_) => 100,
            Action::Done(code) => code,
        };
        (code, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
    }

    #[test]
    fn without_a_command_it_runs() {
        assert_eq!(call(&[]), (100, String::new(), String::new()));
        assert_eq!(call(&["run", "--config", GOOD]), (100, String::new(), String::new()));
        let args = ["ringtail", "--config", GOOD, "--set", "exporters.debug="].map(OsString::from);
        match main(args, &|_| None, &mut Vec::new(), &mut Vec::new()) {
            Action::Run(run) => assert_eq!((run.sources.len(), run.sets.len()), (1, 1)),
            Action::Done(code) => panic!("{code}"),
        }
    }

    #[test]
    fn validate_is_silent_when_all_is_well() {
        assert_eq!(call(&["validate", "--config", GOOD]), (0, String::new(), String::new()));
        assert_eq!(call(&["--config", GOOD, "validate"]), (0, String::new(), String::new()));
    }

    #[test]
    fn mistakes_go_to_standard_error_with_exit_code_one() {
        let (code, out, err) = call(&["validate", "--config", GOOD, "--set", "exporters.nop.x=1"]);
        assert_eq!((code, out.as_str()), (1, ""));
        assert_eq!(
            err,
            "Error: invalid configuration: one error\n\nerror: 'nop' has invalid keys: x\n  --> --set \
             exporters.nop.x:1:1\n   = at exporters::nop::x\n   = help: it has no keys\n"
        );
        let (code, _, err) = call(&["validate", "--confg", "x"]);
        assert_eq!(code, 1);
        assert!(err.starts_with("Error: unexpected argument '--confg' found"), "{err}");
        assert_eq!(call(&["run", "--config", "nope.yaml"]).0, 1);
    }

    #[test]
    fn warnings_do_not_change_the_exit_code() {
        let (code, _, err) = call(&["validate", "--config", GOOD, "--set", "processors.schema="]);
        assert_eq!(code, 0);
        assert!(err.starts_with("warning: processor \"schema\" is not used"), "{err}");
    }

    #[test]
    fn print_config_prints_what_the_mode_allows() {
        let header = "receivers.otlp.protocols.http.response_headers.x=hunter2";
        let (code, out, _) = call(&["print-config", "--config", GOOD, "--set", header]);
        assert_eq!(code, 0);
        assert!(out.contains("x: \"[REDACTED]\"") && !out.contains("hunter2"), "{out}");
        let all = [
            "print-initial-config",
            "--config",
            GOOD,
            "--set",
            header,
            "--mode",
            "unredacted",
            "--format=json",
        ];
        let (code, out, _) = call(&all);
        assert_eq!(code, 0);
        assert!(out.contains("\"x\": \"hunter2\""), "{out}");
        let broken = ["print-config", "--config", GOOD, "--set", "exporters.nop.x=1"];
        assert_eq!(call(&broken).0, 1);
        let (code, out, _) = call(&[&broken[..], &["--validate=false"]].concat());
        assert_eq!(code, 0);
        assert!(out.contains("nop: {}"), "{out}");
    }

    #[test]
    fn components_are_yaml_and_name_every_section() {
        let (code, out, _) = call(&["components"]);
        assert_eq!(code, 0);
        for section in ["receivers:", "exporters:", "extensions:", "processors:", "connectors:"] {
            assert!(out.contains(section), "{out}");
        }
    }

    #[test]
    fn unknown_gates_are_refused_with_the_valid_ones() {
        let (code, _, err) =
            call(&["validate", "--config", GOOD, "--feature-gates", "-service.partialReload,nope"]);
        assert_eq!(code, 1);
        assert!(err.contains("no such feature gate \"nope\". valid gates: [confmap."), "{err}");
        let (code, _, err) = call(&[
            "validate",
            "--config",
            GOOD,
            "--feature-gates=-service.partialReload,+ottl.set.allowNil",
        ]);
        let warning =
            "warning: feature gates without effect here: service.partialReload, ottl.set.allowNil\n";
        assert_eq!((code, err.as_str()), (0, warning));
    }

    #[test]
    fn what_only_the_collector_has_can_be_skipped_by_every_command_that_reads_a_file() {
        let set =
            ["--set", "receivers.jaeger=", "--set", "service.pipelines.traces.receivers=[otlp, jaeger]"];
        let call =
            |command: &str, more: &[&str]| call(&[&[command, "--config", GOOD][..], &set[..], more].concat());
        for (command, code) in [("run", 100), ("validate", 0), ("print-config", 0)] {
            assert_eq!(call(command, &[]).0, 1);
            let (skipped, out, err) = call(command, &["--skip-unavailable"]);
            assert_eq!(skipped, code, "{command}");
            assert!(err.starts_with("warning: receiver \"jaeger\" exists in the Collector"), "{err}");
            assert!(!out.contains("jaeger"), "{out}");
        }
    }

    #[test]
    fn gates_of_the_sampler_change_its_defaults() {
        let set =
            "processors.tail_sampling={compat: collector, policies: [{name: all, type: always_sample}]}";
        let print = |gates: &[&str]| {
            let args = [&["print-config", "--config", GOOD, "--set", set], gates].concat();
            let (code, out, err) = call(&args);
            assert_eq!((code, err.as_str()), (0, ""));
            (out.contains("record_policy: true"), out.contains("tracestate: true"))
        };
        let (record, state) = (
            "--feature-gates=+processor.tailsamplingprocessor.recordpolicy",
            "--feature-gates=processor.tailsamplingprocessor.usetracestate",
        );
        assert_eq!(print(&[]), (false, false));
        assert_eq!(print(&[record]), (true, false));
        assert_eq!(print(&[record, state]), (true, true));
        assert_eq!(
            print(&["--feature-gates=-processor.tailsamplingprocessor.usetracestate"]),
            (false, false)
        );
    }

    #[test]
    fn help_and_version_go_to_standard_output() {
        for flag in ["--version", "-v"] {
            assert_eq!(call(&[flag]).1, format!("ringtail {}\n", env!("CARGO_PKG_VERSION")));
        }
        let (code, out, err) = call(&["--help"]);
        assert_eq!((code, err.as_str()), (0, ""));
        for word in ["--config", "--set", "validate", "print-config", "components"] {
            assert!(out.contains(word), "{out}");
        }
    }
}
