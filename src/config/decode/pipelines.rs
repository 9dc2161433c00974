//! What may stand in which pipeline, and what stands there in an odd order.

use super::Context;
use super::service::Wanted;
use crate::config::catalog::{Kind, signals};

/// Checks the processors of one pipeline. Whether they exist has been checked before.
pub(super) fn check(context: &Context, pipeline: &Wanted) {
    let path = format!("{}::processors", pipeline.path);
    let mut batched = false;
    let mut sampled = false;
    for (index, reference) in pipeline.processors.iter().enumerate() {
        let kind = reference.id.kind.as_str();
        if pipeline.processors[..index].iter().any(|known| known.id == reference.id) {
            continue; // reported as named twice
        }
        let warn = |message: &str, help: &str| {
            context.push(reference.mark.warning(&path, message, Some(help.to_owned())));
        };
        if !signals(Kind::Processor, kind).contains(&pipeline.signal) {
            let message = format!(
                "failed to create {} processor, in pipeline \"{}\": telemetry type is not supported",
                reference.shown(),
                pipeline.id
            );
            let known: Vec<_> = signals(Kind::Processor, kind).iter().map(|signal| signal.name()).collect();
            let help = format!("{kind} stands in pipelines of {} only", known.join(", "));
            context.push(reference.mark.error(&path, message, Some(help)));
        } else if kind == "tail_sampling" {
            if batched {
                warn(
                    "batch stands before tail_sampling: senders wait for its timeout, and kept traces leave as they are",
                    "put batch after tail_sampling",
                );
            }
            if sampled {
                warn(
                    "tail_sampling stands here twice: this one sees only what the one before it kept, and waits again",
                    "put all policies into one",
                );
            }
            sampled = true;
        }
        if kind == "memory_limiter" && index > 0 {
            warn(
                "memory_limiter is not the first processor: what stands before it works and holds memory for requests that are then refused",
                "put memory_limiter first",
            );
        }
        batched |= kind == "batch";
    }
    exporters(context, pipeline);
}

/// Exporters that take other signals only.
fn exporters(context: &Context, pipeline: &Wanted) {
    let path = format!("{}::exporters", pipeline.path);
    for reference in &pipeline.exporters {
        let kind = reference.id.kind.as_str();
        let known = signals(Kind::Exporter, kind);
        if !known.contains(&pipeline.signal) {
            let message = format!(
                "failed to create {} exporter for data type \"{}\": telemetry type is not supported",
                reference.shown(),
                pipeline.signal.name()
            );
            let known: Vec<_> = known.iter().map(|signal| signal.name()).collect();
            let help = format!("{kind} stands in pipelines of {} only", known.join(", "));
            context.push(reference.mark.error(&path, message, Some(help)));
        }
    }
}
