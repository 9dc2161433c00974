//! The walk over the data points of a metric, and over metrics that editors make.

use super::message::Message;
use super::value::write_field;
use super::walk::{Failure, Fate, Left, Parents, Walk, length_of, write_bytes};
use crate::wire::{Fields, otlp};

/// Metrics that are made in one scope: a statement that makes metrics of those it has made never ends.
const MADE_MAX: usize = 1000;

impl Walk<'_> {
    /// The data points of a metric; when all were dropped, so is the metric.
    pub(super) fn points(
        &mut self,
        item: &mut Message<'_>,
        parents: &mut Parents<'_, '_, '_>,
    ) -> Result<Fate, Failure> {
        if self.editor.edits_metrics_of_points() {
            return self.points_and_metric(item, parents);
        }
        self.of.inner.clear();
        let metric = item.bytes();
        let mut around = Message::new(metric, Vec::new());
        let mut left = Left::default();
        for data in Fields::new(metric) {
            let data = data?;
            if !otlp::METRIC_DATA.contains(&data.number) {
                continue;
            }
            let range = data.bytes()?;
            let opened = self.of.inner.open();
            for field in Fields::within(metric, range.clone()) {
                let field = field?;
                if field.number != otlp::DATA_POINTS {
                    continue;
                }
                let inside = field.bytes()?;
                let memory = std::mem::take(&mut self.of.memory[3]);
                let mut point = Message::new(&metric[inside.clone()], memory);
                let fate = self.editor.point(&mut point, &mut around, data.number, parents)?;
                left.add(fate);
                if fate == Fate::Drop {
                    self.of.inner.put(field.whole, |_| {});
                } else if point.is_edited() {
                    let length = length_of(metric, &field, &inside);
                    self.of.inner.put(length.start..inside.end, |out| write_bytes(out, point.bytes()));
                }
                self.of.memory[3] = point.into_memory();
            }
            self.of.inner.close(opened, length_of(metric, &data, &range), range.len());
        }
        if !self.of.inner.is_empty() {
            let mut metric = self.of.inner.apply(metric);
            item.replace(&mut metric);
        }
        Ok(left.fate())
    }

    /// The same where the metric changes under its points: they are taken out first, and put back into what it is then.
    fn points_and_metric(
        &mut self,
        item: &mut Message<'_>,
        parents: &mut Parents<'_, '_, '_>,
    ) -> Result<Fate, Failure> {
        let mut points = Vec::new();
        for data in Fields::new(item.bytes()) {
            let data = data?;
            if !otlp::METRIC_DATA.contains(&data.number) {
                continue;
            }
            for field in Fields::within(item.bytes(), data.bytes()?) {
                let field = field?;
                if field.number == otlp::DATA_POINTS {
                    points.push((data.number, item.bytes()[field.bytes()?].to_vec()));
                }
            }
        }
        let mut left = Left::default();
        let mut changed = false;
        let mut edited = Vec::with_capacity(points.len());
        for (kind, point) in &points {
            let mut point = Message::new(point, Vec::new());
            let fate = self.editor.point(&mut point, item, *kind, parents)?;
            left.add(fate);
            changed |= fate == Fate::Drop || point.is_edited();
            edited.push((fate == Fate::Keep).then(|| point.bytes().to_vec()));
        }
        if changed {
            put_back(item, edited)?;
        }
        Ok(left.fate())
    }

    /// Asks about metrics that were made, and about those made of them, and puts them at the end of their scope.
    pub(super) fn made(
        &mut self,
        mut made: Vec<Vec<u8>>,
        end: usize,
        resource: &mut Message<'_>,
        scope: &mut Message<'_>,
        left: &mut Left,
    ) -> Result<(), Failure> {
        let mut next = 0;
        while next < made.len() {
            if next == MADE_MAX {
                let message = format!(
                    "statements make more than {MADE_MAX} metrics of one scope; do they meet those they made?"
                );
                return Err(Failure::Statement(message));
            }
            let metric = std::mem::take(&mut made[next]);
            next += 1;
            let mut item = Message::new(&metric, Vec::new());
            let fate = self.look(&mut item, &mut Parents { resource, scope, made: &mut made })?;
            left.add(fate);
            if fate == Fate::Keep {
                self.of.splices.put(end..end, |out| write_field(otlp::SCOPE_ITEMS, item.bytes(), out));
            }
        }
        Ok(())
    }
}

/// Puts each of these in the place of the data point of the same number; nothing where it goes.
fn put_back(item: &mut Message<'_>, points: Vec<Option<Vec<u8>>>) -> Result<(), Failure> {
    let bytes = item.bytes();
    let mut points = points.into_iter();
    let mut out = Vec::with_capacity(bytes.len());
    for field in Fields::new(bytes) {
        let field = field?;
        if !otlp::METRIC_DATA.contains(&field.number) {
            out.extend_from_slice(&bytes[field.whole]);
            continue;
        }
        let mut data = Vec::new();
        for inner in Fields::within(bytes, field.bytes()?) {
            let inner = inner?;
            match (inner.number == otlp::DATA_POINTS).then(|| points.next()).flatten() {
                Some(Some(point)) => write_field(otlp::DATA_POINTS, &point, &mut data),
                Some(None) => {}
                None => data.extend_from_slice(&bytes[inner.whole]),
            }
        }
        write_field(field.number, &data, &mut out);
    }
    item.replace(&mut out);
    Ok(())
}
