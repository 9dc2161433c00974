//! gzip, zlib and raw deflate. One raw context per thread serves all three; gzip's frame is read here, because a
//! gzip context cannot be reset without building it anew.

use std::cell::RefCell;

use flate2::{Compress, Decompress, FlushCompress, FlushDecompress, Status};

use super::{InflateError, corrupt, grow};

/// Fastest; about half the cost of level 6 for a tenth more bytes on telemetry.
const LEVEL: flate2::Compression = flate2::Compression::fast();
/// The largest window of the format.
const WINDOW_BITS: u8 = 15;

thread_local! {
    static INFLATER: RefCell<Decompress> = RefCell::new(Decompress::new(false));
    static GZIP: RefCell<Compress> = RefCell::new(Compress::new_gzip(LEVEL, WINDOW_BITS));
    static ZLIB: RefCell<Compress> = RefCell::new(Compress::new(LEVEL, true));
}

/// One or more gzip members, one after the other.
pub(super) fn inflate_gzip(input: &[u8], limit: usize) -> Result<Vec<u8>, InflateError> {
    let promised = input.last_chunk::<4>().map(|size| u32::from_le_bytes(*size) as usize);
    let mut out = grow::start(input, promised, limit);
    let mut rest = input;
    loop {
        rest = skip_header(rest).ok_or_else(|| corrupt("no gzip header"))?;
        let start = out.len();
        let used = run(false, rest, &mut out, limit)?;
        rest = check_trailer(&rest[used..], &out[start..])?;
        if rest.is_empty() {
            return Ok(out);
        }
    }
}

/// What HTTP calls `deflate`: zlib by the standard, and raw, as many clients send it.
pub(super) fn inflate_deflate(input: &[u8], limit: usize) -> Result<Vec<u8>, InflateError> {
    let zlib = is_zlib(input);
    let inflated = inflate_stream(zlib, input, limit);
    match inflated {
        // A raw stream may look like a zlib header by chance.
        Err(InflateError::Corrupt(why)) if zlib => {
            inflate_stream(false, input, limit).map_err(|_| InflateError::Corrupt(why))
        }
        other => other,
    }
}

fn inflate_stream(zlib: bool, input: &[u8], limit: usize) -> Result<Vec<u8>, InflateError> {
    let mut out = grow::start(input, None, limit);
    let used = run(zlib, input, &mut out, limit)?;
    if used == input.len() { Ok(out) } else { Err(corrupt("bytes after the end of the stream")) }
}

/// Inflates one stream to its end; how many bytes of input it had.
fn run(zlib: bool, input: &[u8], out: &mut Vec<u8>, limit: usize) -> Result<usize, InflateError> {
    INFLATER.with_borrow_mut(|context| {
        context.reset(zlib);
        let mut used = 0;
        loop {
            grow::more(out, limit)?;
            let before = (context.total_in(), context.total_out());
            let status = context
                .decompress_vec(&input[used..], out, FlushDecompress::None)
                .map_err(|error| corrupt(error.message().unwrap_or("not a deflate stream")))?;
            let now = (context.total_in(), context.total_out());
            used += (now.0 - before.0) as usize;
            match status {
                Status::StreamEnd => {
                    grow::check(out, limit)?;
                    return Ok(used);
                }
                // No progress although there is room: the rest of the input never came.
                Status::Ok | Status::BufError if now == before && out.len() < out.capacity() => {
                    return Err(corrupt("it ends early"));
                }
                Status::Ok | Status::BufError => {}
            }
        }
    })
}

/// RFC 1950: method 8, a window of at most 32 KiB, and a check over both bytes.
fn is_zlib(input: &[u8]) -> bool {
    match input {
        [method, flags, ..] => {
            method & 0x0f == 8
                && method >> 4 <= 7
                && (u16::from(*method) << 8 | u16::from(*flags)).is_multiple_of(31)
        }
        _ => false,
    }
}

/// What follows a gzip header (RFC 1952 section 2.3).
fn skip_header(input: &[u8]) -> Option<&[u8]> {
    const HEADER_CRC: u8 = 2;
    const EXTRA: u8 = 4;
    const NAME: u8 = 8;
    const COMMENT: u8 = 16;
    let ([0x1f, 0x8b, 8, flags, ..], mut rest) = input.split_first_chunk::<10>()? else {
        return None;
    };
    if flags & EXTRA != 0 {
        let (size, after) = rest.split_first_chunk::<2>()?;
        rest = after.get(usize::from(u16::from_le_bytes(*size))..)?;
    }
    for text in [NAME, COMMENT] {
        if flags & text != 0 {
            let end = rest.iter().position(|byte| *byte == 0)?;
            rest = &rest[end + 1..];
        }
    }
    if flags & HEADER_CRC != 0 {
        rest = rest.get(2..)?;
    }
    Some(rest)
}

/// Compares checksum and size of one member with its trailer; what follows it.
fn check_trailer<'a>(input: &'a [u8], member: &[u8]) -> Result<&'a [u8], InflateError> {
    let (trailer, rest) = input.split_first_chunk::<8>().ok_or_else(|| corrupt("it ends early"))?;
    let [a, b, c, d, size @ ..] = *trailer;
    if u32::from_le_bytes([a, b, c, d]) != crc32fast::hash(member) {
        return Err(corrupt("checksum does not match"));
    }
    if u32::from_le_bytes(size) != member.len() as u32 {
        return Err(corrupt("size does not match"));
    }
    Ok(rest)
}

/// Appends one gzip member.
pub(super) fn deflate_gzip(input: &[u8], out: &mut Vec<u8>) {
    GZIP.with_borrow_mut(|context| deflate(context, input, out));
}

/// Appends a zlib stream.
pub(super) fn deflate_zlib(input: &[u8], out: &mut Vec<u8>) {
    ZLIB.with_borrow_mut(|context| deflate(context, input, out));
}

fn deflate(context: &mut Compress, input: &[u8], out: &mut Vec<u8>) {
    context.reset();
    let mut used = 0;
    out.reserve(input.len() / 4 + 64);
    loop {
        let before = context.total_in();
        let status = context
            .compress_vec(&input[used..], out, FlushCompress::Finish)
            .expect("a context just reset refuses no input");
        used += (context.total_in() - before) as usize;
        if status == Status::StreamEnd {
            return;
        }
        out.reserve((input.len() - used) / 4 + 1024);
    }
}
