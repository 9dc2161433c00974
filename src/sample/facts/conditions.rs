//! `ottl_condition`: asked of each span as it comes, with the resource and scope it stands in.

use std::borrow::Cow;
use std::ops::Range;

use super::value::Parts;
use super::{Facts, Failures};
use crate::ottl::{Condition, Context, Dialect, Env, ParseError, Target, condition};
use crate::wire::{Fields, Malformed};

/// `schema_url` of an entry of resources or scopes.
const ENTRY_SCHEMA_URL: u32 = 3;
/// `events` of a span.
const SPAN_EVENTS: u32 = 11;

/// The conditions of one policy.
#[derive(Debug)]
pub(super) struct Conditions {
    span: Vec<(String, Condition)>,
    spanevent: Vec<(String, Condition)>,
    /// The fact that a span meets one.
    matched: u16,
    /// The fact that one failed before any was met; `None` = errors are no matches.
    pub(super) failed: Option<u16>,
    /// Whether those that fail are told.
    told: bool,
}

impl Conditions {
    /// Of texts that have been checked.
    pub(super) fn new(
        [span, spanevent]: [&[String]; 2],
        matched: u16,
        failed: Option<u16>,
        dialect: Dialect,
    ) -> Self {
        let compile = |texts: &[String], context| {
            let compile = |text: &String| Some((text.clone(), dialect.condition(text, context).ok()?));
            texts.iter().filter_map(compile).collect()
        };
        let (span, spanevent) = (compile(span, Context::Span), compile(spanevent, Context::SpanEvent));
        Self { span, spanevent, matched, failed, told: false }
    }

    /// The same, and those that fail are told if wanted.
    pub(super) fn told(self, told: bool) -> Self {
        Self { told, ..self }
    }

    /// Whether facts already say how the policy votes: what comes later changes nothing.
    fn is_decided(&self, facts: &Facts) -> bool {
        facts.has(self.matched) || self.failed.is_some_and(|failed| facts.has(failed))
    }

    /// Takes from `later` what does not count any more after `earlier`.
    pub(super) fn mask(&self, earlier: &Facts, later: &mut Facts) {
        if let Some(failed) = self.failed
            && self.is_decided(earlier)
        {
            later.clear(self.matched);
            later.clear(failed);
        }
    }

    /// Whether the condition holds; `None` = it failed, and that ends the policy.
    fn holds(
        &self,
        (text, condition): &(String, Condition),
        asked: &mut Asked<'_>,
        env: &Env<'_>,
    ) -> Option<bool> {
        match condition.matches(&mut asked.target, env) {
            Ok(holds) => Some(holds),
            Err(_) if self.failed.is_some() => None,
            Err(error) => {
                if self.told {
                    asked.failures.count += 1;
                    asked.failures.first.get_or_insert_with(|| format!("{text:?}: {error}"));
                }
                Some(false)
            }
        }
    }

    /// Judges the span of `target`; its events are taken through the same place.
    fn judge<'b>(&self, asked: &mut Asked<'b>, body: &'b [u8], env: &Env<'_>) -> Option<bool> {
        for condition in &self.span {
            if self.holds(condition, asked, env)? {
                return Some(true);
            }
        }
        if self.spanevent.is_empty() {
            return Some(false);
        }
        for index in 0..asked.events.len() {
            asked.target.set(Context::SpanEvent, &body[asked.events[index].clone()]);
            asked.target.set_event_index(index);
            for condition in &self.spanevent {
                if self.holds(condition, asked, env)? {
                    return Some(true);
                }
            }
        }
        Some(false)
    }
}

/// What conditions are asked on, while a request is walked. Its memory serves one span after the other.
#[derive(Debug, Default)]
pub(super) struct Asked<'b> {
    target: Target<'b>,
    events: Vec<Range<usize>>,
    now_unix_nanos: u64,
    /// Of those that are told.
    pub(super) failures: Failures,
}

impl<'b> Asked<'b> {
    pub(super) fn new(now_unix_nanos: u64) -> Self {
        Self { now_unix_nanos, ..Self::default() }
    }

    /// Enters a resource or scope: the parts of its description and the schema url beside it.
    pub(super) fn enter(&mut self, context: Context, body: &'b [u8], parts: &Parts, url: Range<usize>) {
        let described: Cow<'b, [u8]> = match &parts[..] {
            [] => Cow::default(),
            [one] => Cow::Borrowed(&body[one.clone()]),
            parts => Cow::Owned(parts.iter().flat_map(|part| &body[part.clone()]).copied().collect()),
        };
        self.target.set(context, described);
        self.target.set_schema_url(context, &body[url]);
    }

    /// Sets the facts that a span makes true.
    pub(super) fn span(
        &mut self,
        conditions: &[Conditions],
        body: &'b [u8],
        item: Range<usize>,
        facts: &mut Facts,
    ) -> Result<(), Malformed> {
        let env = Env { now_unix_nanos: self.now_unix_nanos, origin: None, random: &|| 0 };
        self.events.clear();
        for field in Fields::within(body, item.clone()) {
            let field = field?;
            if field.number == SPAN_EVENTS {
                self.events.push(field.bytes()?);
            }
        }
        self.target.set(Context::Span, &body[item]);
        for policy in conditions {
            match policy.judge(self, body, &env) {
                Some(true) => facts.set(policy.matched),
                Some(false) => {}
                None => policy.failed.iter().for_each(|failed| facts.set(*failed)),
            }
        }
        Ok(())
    }
}

/// The schema url of an entry, if it has one.
pub(super) fn schema_url(body: &[u8], entry: Range<usize>) -> Result<Range<usize>, Malformed> {
    let mut url = 0..0;
    for field in Fields::within(body, entry) {
        let field = field?;
        if field.number == ENTRY_SCHEMA_URL {
            url = field.bytes()?;
        }
    }
    Ok(url)
}

/// Whether a condition of `span` or `spanevent` can be used.
pub(in crate::sample) fn check(text: &str, on_events: bool) -> Result<(), ParseError> {
    let context = if on_events { Context::SpanEvent } else { Context::Span };
    condition(text, context).map(|_| ())
}
