//! Room for what is being inflated: grows by doubling, never past one byte over the limit.

use super::InflateError;

/// Inflated bytes promised by a header are believed up to this many times the compressed ones; beyond, memory is
/// taken only as bytes really come.
const BELIEVED_RATIO: usize = 64;
/// The least worth asking the allocator for.
const STEP_MIN: usize = 4096;

/// A buffer for a message that may say how long it will be.
pub(super) fn start(input: &[u8], promised: Option<usize>, limit: usize) -> Vec<u8> {
    let believed = input.len().saturating_mul(BELIEVED_RATIO).saturating_add(STEP_MIN);
    let guess = promised.unwrap_or_else(|| input.len().saturating_mul(4)).min(believed);
    Vec::with_capacity(guess.min(limit.saturating_add(1)))
}

/// Makes room for more when the buffer is full.
///
/// # Errors
/// `TooLarge` when what is there already exceeds the limit.
pub(super) fn more(out: &mut Vec<u8>, limit: usize) -> Result<(), InflateError> {
    check(out, limit)?;
    if out.len() == out.capacity() {
        // One byte past the limit, so that a message of exactly the limit is told from a larger one.
        let room = limit.saturating_add(1) - out.len();
        out.reserve_exact(out.len().max(STEP_MIN).min(room));
    }
    Ok(())
}

/// # Errors
/// `TooLarge` when what is there exceeds the limit.
pub(super) fn check(out: &[u8], limit: usize) -> Result<(), InflateError> {
    if out.len() > limit { Err(InflateError::TooLarge { limit }) } else { Ok(()) }
}
