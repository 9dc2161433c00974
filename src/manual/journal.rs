//! What is kept where until a trace is decided, and what does a commit mean?
//!
//! **A log of segments.** What waits for a verdict is written once, in the order of arrival, and leaves in nearly the
//! same order: every trace goes after its window. So there is no free list and no compaction: records are appended to
//! the open segment, a segment is given up as a whole when nothing before a position is needed, and the few traces that
//! outlive their neighbours are copied forward by their owner. A store with keys would write everything twice and
//! spend ten times the CPU for look-ups that nobody makes: the index already knows the position.
//!
//! **Positions** are a segment's number and an offset in it, and mean one record only: numbers only grow, also after
//! what was appended was taken back. They are stable across restarts, so records may name each other.
//!
//! **Frames.** In a file a record is a frame: magic, kind, length, checksum of the payload, checksum of the header. It
//! starts at a multiple of eight. Where the payload is damaged the header still says where the next frame is; where the
//! header is, the next one is found by looking at every eighth byte. Either way one record is lost, and counted. The
//! checksums start from a random number of the segment and the place of the frame: bytes from elsewhere, left over on
//! the disk or put into an attribute by a sender who knows the format, never pass for a frame. That number stands in
//! the file twice.
//!
//! **Blocks.** With `lz4` a frame is a block of records of up to 256 KiB, closed by every commit, and positions count
//! uncompressed bytes. Each block says where it begins in them, so that a lost block moves no other.
//!
//! **Memory** has neither frames nor checksums: nothing reads back memory that is gone with the process. Segments are
//! touched as they fill, and what is not needed goes back, a thirty-second aside.
//!
//! **A commit** hands everything since the last one to the kernel, with one write in the common case. From then on it
//! survives a kill of the process at any moment. `sync` says when the disk is forced as well: never, every so often, or
//! before every acknowledgement. A commit that fails, because the disk is full or broken, leaves nothing behind: files
//! are cut back to where they were, and the sender hears a refusal it may retry. After a failure other than a full disk
//! the file is not written on: after a failed sync nobody knows what it has.
//!
//! **Recovery** reads every segment once, in order. It cuts off a torn end, which nobody was promised, and names every
//! stretch it could not read by file, place and length. Segments are deleted, never overwritten, so nothing old comes
//! back; before one is deleted, what may replace its records is forced to the disk when `sync` asks for that at all.
//!
//! **One owner.** Nothing in it is shared or locked: a shard owns its journal and calls it directly. The folder is
//! locked against other processes, and opened only by the version that knows its format.
//!
//! **Reading** is by positioned reads, not a mapping, which would kill the process when somebody truncates a file. A
//! stretch of 16 KiB or more is read whole and checked once; after that a lone piece costs exactly itself, and pieces
//! that follow each other are read 256 KiB at a time.
