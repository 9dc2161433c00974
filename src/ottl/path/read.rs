//! Reading a path.

use std::borrow::Cow;

use super::table::{Access, Form, KINDS};
use super::{Key, Place, Step};
use crate::ottl::error::EvalError;
use crate::ottl::expression::View;
use crate::ottl::points;
use crate::ottl::target::{MAP_FIELD, Message, number_in};
use crate::ottl::value::{self, Shape, Value};
use crate::ottl::zone::Moment;
use crate::wire::{Malformed, otlp};

impl Place {
    /// What stands here.
    #[inline]
    pub(in crate::ottl) fn get<'v>(&'v self, view: View<'v>) -> Result<Value<'v>, EvalError> {
        let message = view.target.message(self.context);
        if let (Access::Attributes, [Key::Text(key)]) = (self.access, &self.keys[..]) {
            return self.attribute(message, key);
        }
        self.get_any(message, view)
    }

    /// Whether this is one attribute, under a key that is written out.
    pub(in crate::ottl) fn is_attribute(&self) -> bool {
        matches!((self.access, &self.keys[..]), (Access::Attributes, [Key::Text(_)]))
    }

    /// Whether the attribute here is this string.
    #[inline]
    pub(in crate::ottl) fn is_text(&self, view: View<'_>, text: &[u8]) -> Result<bool, EvalError> {
        let value = self.get(view)?;
        Ok(matches!(value, Value::Text(found) if *found == *text))
    }

    #[inline]
    fn attribute<'v>(&self, message: Message<'v>, key: &[u8]) -> Result<Value<'v>, EvalError> {
        let mut any = message.attribute(key)?;
        if let (None, Some(alias)) = (any, self.alias) {
            any = message.attribute(alias)?;
        }
        Ok(any.map_or(Ok(Value::Nil), value::read_any)?)
    }

    fn get_any<'v>(&'v self, message: Message<'v>, view: View<'v>) -> Result<Value<'v>, EvalError> {
        let whole = match self.access {
            Access::Attributes => match self.keys.split_first() {
                Some((Key::Text(key), rest)) => return step_all(self.attribute(message, key)?, rest, view),
                _ => Value::Map(Cow::Borrowed(message.bytes()), message.attributes_field()),
            },
            Access::Cache => Value::Map(Cow::Borrowed(view.target.cache(self.context)), MAP_FIELD),
            Access::Request(about) => return self.get_of_request(*about, view),
            Access::Any(number) => match message.field(*number)? {
                Some(any) => value::read_any(any)?,
                None => Value::Nil,
            },
            Access::Field(number, Form::TraceState) => {
                let text = message.field(*number)?.unwrap_or_default();
                return match self.keys.first() {
                    None => Ok(Value::Text(Cow::Borrowed(text))),
                    Some(key) => match key.step(view)? {
                        Step::Text(key) => {
                            Ok(Value::Text(Cow::Borrowed(member(text, &key).unwrap_or_default())))
                        }
                        Step::Index(_) => Err("a trace state is indexed by strings".into()),
                    },
                };
            }
            _ => return self.get_scalar(message, view),
        };
        step_all(whole, &self.keys, view)
    }

    fn get_scalar<'v>(&self, message: Message<'v>, view: View<'v>) -> Result<Value<'v>, EvalError> {
        Ok(match self.access {
            Access::Field(number, form) => read_field(message, *number, *form)?,
            Access::Inner(outer, number, form) => read_inner(message, *outer, *number, *form)?,
            Access::Point(numbers, form) => match point_field(message, numbers) {
                0 => Value::Nil,
                number => read_field(message, number, *form)?,
            },
            Access::PointValue(number, form) => match point_field(message, &[1, 0, 0, 0]) {
                0 => Value::Nil,
                _ => read_field(message, *number, *form)?,
            },
            Access::ExemplarValue(number, form) => read_field(message, *number, *form)?,
            Access::Data(number, form, having) => match having.contains(&message.data()) {
                true => read_inner(message, message.data(), *number, *form)?,
                false => Value::Nil,
            },
            Access::MetricType => {
                let place = otlp::METRIC_DATA.iter().position(|number| *number == message.data());
                Value::Int(place.map_or(0, |place| place as i64 + 1))
            }
            Access::AnyText(number) => {
                let any = message.field(*number)?.unwrap_or_default();
                let value = value::read_any(any)?;
                Value::Text(Cow::Owned(crate::ottl::render::plain(&value)?.into_owned()))
            }
            Access::Opaque(number, shape) => read_opaque(message.bytes(), *number, *shape)?,
            Access::PointOpaque(numbers, shape) => match point_field(message, numbers) {
                0 => Value::Nil,
                number => read_opaque(message.bytes(), number, *shape)?,
            },
            Access::DataPoints => match message.data() {
                0 => Value::Nil,
                data => {
                    let inside = message.field(data)?.unwrap_or_default();
                    read_opaque(inside, otlp::DATA_POINTS, points_of(data))?
                }
            },
            Access::PointList(numbers, inner, form) => match (point_field(message, numbers), *inner) {
                (0, _) => Value::Nil,
                (number, 0) => points::list(&points::numbers(message.bytes(), number, *form)?, *form)?,
                (number, inner) => {
                    let inside = message.field(number)?.unwrap_or_default();
                    points::list(&points::numbers(inside, inner, *form)?, *form)?
                }
            },
            Access::PointInner(numbers, inner, form) => match point_field(message, numbers) {
                0 => Value::Nil,
                number => read_inner(message, number, *inner, *form)?,
            },
            Access::SchemaUrl => Value::Text(Cow::Borrowed(view.target.schema_url(self.context))),
            Access::EventIndex => Value::Int(view.target.event_index()),
            Access::Attributes | Access::Cache | Access::Any(_) | Access::Request(_) => Value::Nil, // read above
        })
    }
}

/// Which of the fields the data points of this metric have.
pub(super) fn point_field(message: Message<'_>, numbers: &[u32; 4]) -> u32 {
    match message.data() {
        9 => numbers[1],
        10 => numbers[2],
        11 => numbers[3],
        _ => numbers[0],
    }
}

/// Data points as values of their own.
pub(super) fn points_of(data: u32) -> Shape {
    // Gauges and sums have the same.
    Shape::Points(if data == otlp::METRIC_DATA[0] { otlp::METRIC_DATA[1] } else { data })
}

fn read_opaque(message: &[u8], number: u32, shape: Shape) -> Result<Value<'static>, Malformed> {
    let mut out = Vec::new();
    for item in value::payloads(message, number) {
        match shape.is_list() {
            true => value::push_message(value::LIST_VALUES, item?, &mut out),
            false => out = item?.to_vec(),
        }
    }
    Ok(Value::Opaque(Cow::Owned(out), shape))
}

fn read_field<'v>(message: Message<'v>, number: u32, form: Form) -> Result<Value<'v>, EvalError> {
    if form.is_bytes() {
        Ok(read_bytes(message.field(number)?, form))
    } else {
        Ok(read_number(message.number(number)?, form))
    }
}

fn read_inner<'v>(message: Message<'v>, outer: u32, number: u32, form: Form) -> Result<Value<'v>, EvalError> {
    let inner = message.field(outer)?.unwrap_or_default();
    if form.is_bytes() {
        return Ok(read_bytes(value::payloads(inner, number).last().transpose()?, form));
    }
    Ok(read_number(number_in(inner, number)?, form))
}

impl Form {
    pub(super) fn is_bytes(self) -> bool {
        use Form::*;
        matches!(self, Text | TraceId | TraceIdText | SpanId | SpanIdText | TraceState)
    }
}

fn read_bytes(bytes: Option<&[u8]>, form: Form) -> Value<'_> {
    let bytes = bytes.unwrap_or_default();
    match form {
        Form::TraceId => Value::TraceId(sized(bytes)),
        Form::SpanId => Value::SpanId(sized(bytes)),
        Form::TraceIdText => Value::text(id_text(&sized::<16>(bytes))),
        Form::SpanIdText => Value::text(id_text(&sized::<8>(bytes))),
        _ => Value::Text(Cow::Borrowed(bytes)),
    }
}

/// An id of another length is none.
fn sized<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.try_into().unwrap_or([0; N])
}

fn id_text(id: &[u8]) -> String {
    crate::ottl::render::hex(id)
}

fn read_number(raw: Option<u64>, form: Form) -> Value<'static> {
    // Numbers of points are told from none; elsewhere none is zero.
    let raw = raw.unwrap_or(0);
    let kind = || usize::try_from(raw).ok().and_then(|kind| KINDS.get(kind));
    match form {
        Form::Varint => Value::Int(i64::from(raw as i32)),
        Form::Fixed32 => Value::Int(i64::from(raw as u32)),
        Form::Sint32 => Value::Int(points::zigzag(raw)),
        Form::Time => Value::Time(Moment::utc(raw as i64)),
        Form::Double => Value::Double(f64::from_bits(raw)),
        Form::Bool => Value::Bool(raw != 0),
        Form::Kind => Value::text(kind().map_or("", |(name, _)| *name)),
        Form::KindDeprecated => Value::text(kind().map_or("", |(_, name)| *name)),
        _ => Value::Int(raw as i64),
    }
}

/// The value of a member of a trace state.
pub(super) fn member<'t>(state: &'t [u8], wanted: &[u8]) -> Option<&'t [u8]> {
    state.split(|byte| *byte == b',').find_map(|member| {
        let member = member.trim_ascii();
        let at = member.iter().position(|byte| *byte == b'=')?;
        (member[..at] == *wanted).then(|| &member[at + 1..])
    })
}

impl Key {
    /// The value of the key.
    pub(super) fn step<'k>(&'k self, view: View<'_>) -> Result<Step<'k>, EvalError> {
        Ok(match self {
            Self::Text(key) => Step::Text(Cow::Borrowed(key)),
            Self::Index(index) => Step::Index(*index),
            Self::Computed(expression) => match expression.value(view)? {
                Value::Text(key) => Step::Text(Cow::Owned(key.into_owned())),
                Value::Int(index) => Step::Index(index),
                other => {
                    return Err(format!("a key must be a string or an int64, not {}", other.kind()).into());
                }
            },
        })
    }
}

/// Follows keys into a value.
pub(in crate::ottl) fn step_all<'v>(
    mut value: Value<'v>,
    keys: &[Key],
    view: View<'_>,
) -> Result<Value<'v>, EvalError> {
    for (at, key) in keys.iter().enumerate() {
        if at > 0 && matches!(value, Value::Nil) {
            return Ok(Value::Nil);
        }
        let step = key.step(view)?;
        value = step_into(value, &step)?;
        if matches!(value, Value::Nil) {
            return Ok(Value::Nil);
        }
    }
    Ok(value)
}

pub(super) fn step_into<'v>(value: Value<'v>, step: &Step<'_>) -> Result<Value<'v>, EvalError> {
    match (&value, step) {
        (Value::Map(..), Step::Text(_)) => {}
        (Value::List(_), Step::Index(_)) => {}
        (Value::Nil, _) => return Ok(Value::Nil),
        (other, Step::Text(_)) => {
            return Err(format!("type {} does not support string indexing", other.kind()).into());
        }
        (other, Step::Index(_)) => {
            return Err(format!("type {} does not support int indexing", other.kind()).into());
        }
    }
    match value {
        Value::Map(Cow::Borrowed(map), field) => in_map(map, field, step),
        Value::Map(Cow::Owned(map), field) => Ok(in_map(&map, field, step)?.into_owned()),
        Value::List(Cow::Borrowed(list)) => in_list(list, step),
        Value::List(Cow::Owned(list)) => Ok(in_list(&list, step)?.into_owned()),
        _ => Ok(Value::Nil),
    }
}

fn in_map<'v>(map: &'v [u8], field: u32, step: &Step<'_>) -> Result<Value<'v>, EvalError> {
    let Step::Text(key) = step else { return Ok(Value::Nil) };
    Ok(value::find(map, field, key)?.map_or(Ok(Value::Nil), value::read_any)?)
}

fn in_list<'v>(list: &'v [u8], step: &Step<'_>) -> Result<Value<'v>, EvalError> {
    let Step::Index(index) = step else { return Ok(Value::Nil) };
    let found = usize::try_from(*index).ok().and_then(|index| value::elements(list).nth(index));
    match found {
        Some(found) => Ok(found?),
        None => Err(format!("index {index} out of bounds").into()),
    }
}
