//! The sink process and the pipes to it.

use std::io::{BufRead, BufReader, Write};
use std::process::{ChildStdin, ChildStdout, Stdio};

use anyhow::Context;
use serde::de::DeserializeOwned;

use super::process::{self, Process};
use super::sink::{Ask, Options};

/// A running sink.
pub struct SinkProcess {
    /// Its process.
    pub process: Process,
    /// Its ports, one a backend.
    pub ports: Vec<u16>,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl SinkProcess {
    /// Starts this very binary as a sink.
    pub fn start(options: &Options, processors: Option<&str>) -> anyhow::Result<Self> {
        let mut command = process::command(&std::env::current_exe()?, processors);
        command.args(["--sink", &serde_json::to_string(options)?]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = Process::start(command)?;
        let input = process.child().stdin.take().context("the sink's input")?;
        let output = BufReader::new(process.child().stdout.take().context("the sink's output")?);
        let mut sink = Self { process, ports: Vec::new(), input, output };
        sink.ports = sink.answer()?;
        Ok(sink)
    }

    /// Asks and waits for the answer.
    pub fn ask<T: DeserializeOwned>(&mut self, question: &Ask) -> anyhow::Result<T> {
        writeln!(self.input, "{}", serde_json::to_string(question)?)?;
        self.answer()
    }

    fn answer<T: DeserializeOwned>(&mut self) -> anyhow::Result<T> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        serde_json::from_str(&line).with_context(|| format!("the sink answered {line:?}"))
    }
}
