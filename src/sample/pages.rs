//! A vector in pages: growing copies nothing and takes no more than a page at once.

use std::ops::{Index, IndexMut};

#[derive(Debug)]
pub(super) struct Pages<T> {
    pages: Vec<Vec<T>>, // all full but the last
}

/// Items a page.
const PAGE: usize = 1024;

impl<T> Default for Pages<T> {
    fn default() -> Self {
        Self { pages: Vec::new() }
    }
}

impl<T> Pages<T> {
    pub(super) fn len(&self) -> usize {
        self.pages.last().map_or(0, |last| (self.pages.len() - 1) * PAGE + last.len())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pages.is_empty()
    }

    pub(super) fn push(&mut self, item: T) {
        match self.pages.last_mut().filter(|last| last.len() < PAGE) {
            Some(last) => last.push(item),
            None => {
                let mut page = Vec::with_capacity(PAGE);
                page.push(item);
                self.pages.push(page);
            }
        }
    }

    /// Takes an item out; the last one takes its place.
    pub(super) fn swap_remove(&mut self, at: usize) {
        let Some(page) = self.pages.last_mut() else { return };
        let last = page.pop();
        if page.is_empty() {
            self.pages.pop();
        }
        if let Some(last) = last.filter(|_| at < self.len()) {
            self[at] = last;
        }
    }

    /// Bytes of memory in use.
    pub(super) fn bytes(&self) -> usize {
        self.pages.len() * PAGE * size_of::<T>()
    }
}

impl<T> Index<usize> for Pages<T> {
    type Output = T;

    #[inline]
    fn index(&self, at: usize) -> &T {
        &self.pages[at / PAGE][at % PAGE]
    }
}

impl<T> IndexMut<usize> for Pages<T> {
    #[inline]
    fn index_mut(&mut self, at: usize) -> &mut T {
        &mut self.pages[at / PAGE][at % PAGE]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_vector() {
        let (mut pages, mut twin) = (Pages::default(), Vec::new());
        for n in 0..5000usize {
            pages.push(n);
            twin.push(n);
            if n % 3 == 0 {
                let at = n * 7 % twin.len();
                pages.swap_remove(at);
                twin.swap_remove(at);
            }
            assert_eq!(pages.len(), twin.len());
        }
        assert!((0..twin.len()).all(|at| pages[at] == twin[at]));
        while !twin.is_empty() {
            pages.swap_remove(0);
            twin.swap_remove(0);
            assert_eq!((pages.len(), pages.is_empty()), (twin.len(), twin.is_empty()));
        }
    }
}
