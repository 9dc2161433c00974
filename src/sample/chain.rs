//! Where the portions of a trace lie: a few places in the index entry itself, more in chunks of a common slab.

/// Where a portion lies in the journal. Opaque here; later portions have greater places.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place(pub u64);

/// The places of one trace, oldest first.
#[derive(Debug)]
pub(super) struct Chain {
    first: [Place; INLINE],
    len: u32,
    head: u32, // chunk that follows the inline places; NONE
    tail: u32, // last chunk
}

/// The chunks of all traces.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    chunks: Vec<Chunk>,
    free: Vec<u32>,
}

#[derive(Debug)]
struct Chunk {
    places: [Place; CHUNK],
    next: u32,
}

const INLINE: usize = 2;
const CHUNK: usize = 7;
const NONE: u32 = u32::MAX;

impl Default for Chain {
    fn default() -> Self {
        Self { first: [Place(0); INLINE], len: 0, head: NONE, tail: NONE }
    }
}

impl Chain {
    /// The oldest place.
    pub(super) fn oldest(&self) -> Option<Place> {
        (self.len > 0).then(|| self.first[0])
    }

    pub(super) fn push(&mut self, place: Place, chunks: &mut Chunks) {
        let index = self.len as usize;
        self.len += 1;
        if index < INLINE {
            self.first[index] = place;
            return;
        }
        let inside = (index - INLINE) % CHUNK;
        if inside == 0 {
            let new = chunks.take();
            match self.tail {
                NONE => self.head = new,
                tail => chunks.chunks[tail as usize].next = new,
            }
            self.tail = new;
        }
        chunks.chunks[self.tail as usize].places[inside] = place;
    }

    /// How many places it has.
    pub(super) fn len(&self) -> usize {
        self.len as usize
    }

    /// Some of the places, oldest first: `count` from `from` on, or what there is of them.
    pub(super) fn some(&self, from: usize, count: usize, chunks: &Chunks) -> Vec<Place> {
        let end = self.len().min(from.saturating_add(count));
        let mut places = Vec::with_capacity(end.saturating_sub(from));
        let mut take = |first: usize, part: &[Place]| {
            let within = from.clamp(first, first + part.len())..end.clamp(first, first + part.len());
            places.extend(part.get(within.start - first..within.end - first).unwrap_or_default());
        };
        take(0, &self.first);
        let (mut at, mut first) = (self.head, INLINE);
        while at != NONE && first < end {
            let chunk = &chunks.chunks[at as usize];
            take(first, &chunk.places);
            (at, first) = (chunk.next, first + CHUNK);
        }
        places
    }

    /// All places, oldest first; the chain is empty afterwards.
    pub(super) fn take(&mut self, chunks: &mut Chunks) -> Vec<Place> {
        let places = self.some(0, usize::MAX, chunks);
        self.clear(chunks);
        places
    }

    /// Forgets all places.
    pub(super) fn clear(&mut self, chunks: &mut Chunks) {
        let mut at = self.head;
        while at != NONE {
            chunks.free.push(at);
            at = chunks.chunks[at as usize].next;
        }
        *self = Self::default();
    }
}

impl Chunks {
    fn take(&mut self) -> u32 {
        let empty = Chunk { places: [Place(0); CHUNK], next: NONE };
        if let Some(index) = self.free.pop() {
            self.chunks[index as usize] = empty;
            return index;
        }
        self.chunks.push(empty);
        (self.chunks.len() - 1) as u32
    }

    /// Bytes of memory in use.
    pub(super) fn bytes(&self) -> usize {
        self.chunks.capacity() * size_of::<Chunk>() + self.free.capacity() * size_of::<u32>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn chains_that_share_chunks_give_back_what_was_put_in(pushes: Vec<(u8, u64)>) {
            let mut chunks = Chunks::default();
            let mut chains: Vec<Chain> = (0..4).map(|_| Chain::default()).collect();
            let mut twins: Vec<Vec<Place>> = vec![Vec::new(); 4];
            for (which, place) in pushes {
                let which = usize::from(which) % 5;
                if which == 4 {
                    prop_assert_eq!(chains[0].take(&mut chunks), std::mem::take(&mut twins[0]));
                    chains[1].clear(&mut chunks);
                    twins[1].clear();
                    continue;
                }
                chains[which].push(Place(place), &mut chunks);
                twins[which].push(Place(place));
                prop_assert_eq!(chains[which].oldest(), twins[which].first().copied());
                let (from, count) = (place as usize % 20, which * 5);
                let some: Vec<Place> = twins[which].iter().skip(from).take(count).copied().collect();
                prop_assert_eq!(chains[which].some(from, count, &chunks), some);
            }
            for (chain, twin) in chains.iter_mut().zip(twins) {
                prop_assert_eq!(chain.take(&mut chunks), twin);
            }
            prop_assert_eq!(chunks.free.len(), chunks.chunks.len(), "every chunk came back");
        }
    }
}
