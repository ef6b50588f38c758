//! A vector in chunks of 128 or 256 bytes. Buckets fill up alike: if they moved from one size of memory to the next, each move
//! would leave holes that nobody needs any more.

use std::ops::Range;

/// `N` values are a chunk.
#[derive(Debug)]
pub(super) struct Chunked<T, const N: usize> {
    chunks: Vec<Box<[T; N]>>,
    len: usize,
}

impl<T, const N: usize> Default for Chunked<T, N> {
    fn default() -> Self {
        Self { chunks: Vec::new(), len: 0 }
    }
}

impl<T: Copy, const N: usize> Chunked<T, N> {
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn get(&self, index: usize) -> &T {
        &self.chunks[index / N][index % N]
    }

    pub fn get_mut(&mut self, index: usize) -> &mut T {
        &mut self.chunks[index / N][index % N]
    }

    pub fn range(&self, range: Range<usize>) -> impl Iterator<Item = &T> {
        range.map(|index| self.get(index))
    }

    pub fn push(&mut self, value: T) {
        if self.len.is_multiple_of(N) {
            self.chunks.reserve_exact(1);
            self.chunks.push(Box::new([value; N]));
        }
        self.len += 1;
        *self.get_mut(self.len - 1) = value;
    }

    pub fn insert(&mut self, index: usize, value: T) {
        self.push(value);
        for later in (index + 1..self.len).rev() {
            *self.get_mut(later) = *self.get(later - 1);
        }
        *self.get_mut(index) = value;
    }

    /// The first index at which `is_before` does not hold; the values are sorted by it.
    pub fn partition_point(&self, is_before: impl Fn(&T) -> bool) -> usize {
        let (mut low, mut high) = (0, self.len);
        while low < high {
            let middle = low.midpoint(high);
            if is_before(self.get(middle)) { low = middle + 1 } else { high = middle }
        }
        low
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_inserted_where_they_belong() {
        let (mut chunked, mut plain) = (Chunked::<u32, 4>::default(), Vec::new());
        for n in 0..50u32 {
            let value = n * 37 % 50;
            let index = chunked.partition_point(|one| *one < value);
            assert_eq!(index, plain.partition_point(|one| *one < value));
            chunked.insert(index, value);
            plain.insert(index, value);
            assert_eq!(chunked.range(0..chunked.len()).copied().collect::<Vec<_>>(), plain);
        }
    }
}
