//! What the `debug` exporter shows of a request, as text: lines for people, straight from the encoded bytes.

mod any;
mod count;
mod detailed;
mod normal;
mod sampler;
mod text;
mod traces;
mod view;

pub use sampler::Sampler;

use super::Verbosity;
use crate::outcome::Signal;
use view::View;

/// Appends what `verbosity` shows of an export request in protobuf; every line ends with a line feed. Bytes that
/// cannot be read are left out. Control characters in names and values are shown as escapes, so that what a sender
/// wrote cannot steer the terminal it is read on.
pub fn format(signal: Signal, request: &[u8], verbosity: Verbosity, out: &mut String) {
    let request = View::request(signal, request);
    match (verbosity, signal) {
        (Verbosity::Trace, Signal::Traces) => traces::lines(request, out),
        (Verbosity::Trace, Signal::Logs) => normal::log_lines(request, out),
        (Verbosity::Trace | Verbosity::Basic, _) => count::line(signal, request, out),
        (Verbosity::Normal, _) => {
            count::line(signal, request, out);
            normal::lines(signal, request, out);
        }
        (Verbosity::Detailed, _) => {
            count::line(signal, request, out);
            detailed::dump(request, out);
        }
    }
}

#[cfg(test)]
mod tests;
