//! zstd: whole frames in one pass where their size is known, streamed otherwise.

use std::cell::RefCell;
use std::io::Cursor;

use zstd::zstd_safe::{
    CCtx, DCtx, DParameter, InBuffer, OutBuffer, ResetDirective, compress_bound, get_error_name,
    get_frame_content_size,
};

use super::{InflateError, corrupt, grow};

/// Fastest of the usual levels.
const LEVEL: i32 = 1;
/// Windows up to 32 MiB are read: more than any level below the "ultra" ones asks for.
const WINDOW_LOG_MAX: u32 = 25;
/// A context that grew past this for one odd message is not kept.
const CONTEXT_BYTES_KEPT: usize = 1 << 20;

thread_local! {
    static READER: RefCell<Option<DCtx<'static>>> = const { RefCell::new(None) };
    static WRITER: RefCell<Option<CCtx<'static>>> = const { RefCell::new(None) };
}

/// One or more frames, one after the other.
pub(super) fn inflate(input: &[u8], limit: usize) -> Result<Vec<u8>, InflateError> {
    let promised = get_frame_content_size(input).map_err(|_| corrupt("no zstd frame header"))?;
    if promised.is_some_and(|size| size > limit as u64) {
        return Err(InflateError::TooLarge { limit });
    }
    let mut out = grow::start(input, promised.map(|size| size as usize), limit);
    READER.with_borrow_mut(|slot| {
        let context = slot.get_or_insert_with(DCtx::create);
        context
            .reset(ResetDirective::SessionOnly)
            .and_then(|_| context.set_parameter(DParameter::WindowLogMax(WINDOW_LOG_MAX)))
            .map_err(|code| corrupt(get_error_name(code)))?;
        let result = run(context, input, &mut out, limit);
        if result.is_err() || context.sizeof() > CONTEXT_BYTES_KEPT {
            *slot = None;
        }
        result
    })?;
    Ok(out)
}

fn run(context: &mut DCtx<'_>, input: &[u8], out: &mut Vec<u8>, limit: usize) -> Result<(), InflateError> {
    let mut rest = InBuffer::around(input);
    loop {
        // A frame may be read to its end without room for more: grow only when it wants to write.
        let (in_before, out_before) = (rest.pos(), out.len());
        let mut target = OutBuffer::around_pos(out, out_before);
        let hint = context
            .decompress_stream(&mut target, &mut rest)
            .map_err(|code| corrupt(get_error_name(code)))?;
        grow::check(out, limit)?;
        let done = rest.pos() == input.len();
        if hint == 0 && done {
            return Ok(());
        }
        if out.len() == out.capacity() {
            grow::more(out, limit)?;
        } else if done || (rest.pos(), out.len()) == (in_before, out_before) {
            return Err(corrupt("it ends early"));
        }
    }
}

/// Appends one frame that says its size.
pub(super) fn deflate(input: &[u8], out: &mut Vec<u8>) {
    WRITER.with_borrow_mut(|slot| {
        let context = slot.get_or_insert_with(CCtx::create);
        let start = out.len() as u64;
        out.reserve(compress_bound(input.len()));
        let mut target = Cursor::new(out);
        target.set_position(start);
        context.compress(&mut target, input, LEVEL).expect("room for the worst case was reserved");
    });
}
