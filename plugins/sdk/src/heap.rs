//! The allocator of a component. In: requests for memory. Out: blocks of the linear memory.
//!
//! An instance lives for one call, a decision takes thousands of small blocks, and nothing is won by keeping memory in
//! good order for later. So a freed block goes to a list of its size and is taken from there again, and otherwise memory
//! is cut off the end. Both take a handful of instructions, where the allocator of the standard library took two fifths
//! of all the instructions of a decision. Blocks are never merged.

#![allow(unsafe_code, reason = "this is an allocator")]

use std::alloc::Layout;
use std::ptr;

/// Bytes that every block is a multiple of, and aligned to: what the most demanding type needs.
const UNIT: usize = 16;
/// Blocks up to this many bytes have a list for each multiple of [`UNIT`], larger ones for each power of two.
const SMALL: usize = 1024;
const SMALL_CLASSES: usize = SMALL / UNIT;
/// Blocks above this many bytes do not exist.
const LARGEST_POWER: u32 = 30;
const CLASSES: usize = SMALL_CLASSES + (LARGEST_POWER - SMALL.ilog2()) as usize;

/// Where memory comes from.
pub(crate) trait Source {
    /// At least so many more bytes: where they begin and end. None where there are none. What follows directly on the
    /// last answer begins where that ended.
    fn more(&mut self, bytes: usize) -> Option<(*mut u8, *mut u8)>;
}

/// The lists of free blocks, and the memory that was not cut yet.
pub(crate) struct Heap<S> {
    free: [*mut u8; CLASSES],
    next: *mut u8,
    end: *mut u8,
    source: S,
}

/// The list that a block of this size is of, and the bytes that it has.
fn class(size: usize) -> Option<(usize, usize)> {
    if size <= SMALL {
        let units = size.div_ceil(UNIT).max(1);
        return Some((units - 1, units * UNIT));
    }
    let power = usize::BITS - (size - 1).leading_zeros();
    (power <= LARGEST_POWER).then(|| (SMALL_CLASSES + (power - SMALL.ilog2()) as usize - 1, 1 << power))
}

impl<S: Source> Heap<S> {
    /// Nothing yet.
    pub(crate) const fn new(source: S) -> Self {
        Heap { free: [ptr::null_mut(); CLASSES], next: ptr::null_mut(), end: ptr::null_mut(), source }
    }

    /// A block, or null.
    pub(crate) fn allocate(&mut self, layout: Layout) -> *mut u8 {
        let Some((list, bytes)) = class(layout.size()) else { return ptr::null_mut() };
        if layout.align() > UNIT {
            return self.cut(bytes, layout.align());
        }
        let block = self.free[list];
        if block.is_null() {
            return self.cut(bytes, UNIT);
        }
        // SAFETY: a block in a list has at least UNIT bytes, is aligned to UNIT, and begins with the next of its list.
        self.free[list] = unsafe { block.cast::<*mut u8>().read() };
        block
    }

    /// Takes a block back.
    ///
    /// # Safety
    /// It came from here for the same layout, and nobody uses it any more.
    pub(crate) unsafe fn release(&mut self, block: *mut u8, layout: Layout) {
        // Blocks that are aligned to more are rare, and in no list.
        if layout.align() > UNIT {
            return;
        }
        if let Some((list, _)) = class(layout.size()) {
            // SAFETY: the block is free from now on, and has room for a pointer, as in `allocate`.
            unsafe { block.cast::<*mut u8>().write(self.free[list]) };
            self.free[list] = block;
        }
    }

    /// Makes a block larger or smaller, where it is if that can be.
    ///
    /// # Safety
    /// It came from here for the same layout; only the answer is used afterwards, unless it is null.
    pub(crate) unsafe fn resize(&mut self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let (Some((_, old)), Some((_, new))) = (class(layout.size()), class(size)) else { return ptr::null_mut() };
        if old == new {
            return block;
        }
        let (begins, ends) = (block.addr(), block.addr() + old);
        // The last block that was cut has free memory behind it.
        if ends == self.next.addr() && new > old && new - old <= self.end.addr() - self.next.addr() {
            self.next = self.next.with_addr(begins + new);
            return block;
        }
        // SAFETY: sizes of this layout were checked by the caller, who asks for `size` with the same alignment.
        let moved = self.allocate(unsafe { Layout::from_size_align_unchecked(size, layout.align()) });
        if !moved.is_null() {
            // SAFETY: both blocks have that many bytes, are apart, and the old one is not used any more.
            unsafe {
                ptr::copy_nonoverlapping(block, moved, layout.size().min(size));
                self.release(block, layout);
            }
        }
        moved
    }

    /// Cuts a block off the memory that nobody had yet.
    fn cut(&mut self, bytes: usize, align: usize) -> *mut u8 {
        loop {
            let begins = self.next.addr().next_multiple_of(align);
            // Null is no memory; so is what is left of an earlier answer and too small.
            if !self.next.is_null() && begins <= self.end.addr() && bytes <= self.end.addr() - begins {
                self.next = self.next.with_addr(begins + bytes);
                return self.next.with_addr(begins);
            }
            let Some((from, to)) = self.source.more(bytes + align) else { return ptr::null_mut() };
            if from != self.end || self.next.is_null() {
                self.next = from;
            }
            self.end = to;
        }
    }
}

#[cfg(target_arch = "wasm32")]
mod component {
    use super::{Heap, Source};
    use std::alloc::{GlobalAlloc, Layout};
    use std::cell::UnsafeCell;
    use std::ptr;

    /// Bytes of a page of linear memory.
    const PAGE: usize = 64 << 10;
    /// Pages that are asked for at once: what most decisions need, since each request costs a system call of the host.
    const STEP: usize = 8;

    struct Memory;

    impl Source for Memory {
        fn more(&mut self, bytes: usize) -> Option<(*mut u8, *mut u8)> {
            let pages = bytes.div_ceil(PAGE).max(STEP);
            let before = core::arch::wasm32::memory_grow(0, pages);
            // All ones is the instruction's word for no.
            let begins = before.checked_mul(PAGE).filter(|_| before != usize::MAX)?;
            let ends = begins.checked_add(pages * PAGE)?;
            Some((ptr::with_exposed_provenance_mut(begins), ptr::with_exposed_provenance_mut(ends)))
        }
    }

    struct Global(UnsafeCell<Heap<Memory>>);

    // SAFETY: a component has one thread.
    unsafe impl Sync for Global {}

    // SAFETY: as `Heap` says; nothing of it calls back, so that there is one reference at a time.
    unsafe impl GlobalAlloc for Global {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            unsafe { (*self.0.get()).allocate(layout) }
        }

        unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
            unsafe { (*self.0.get()).release(block, layout) }
        }

        unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
            unsafe { (*self.0.get()).resize(block, layout, size) }
        }
    }

    #[global_allocator]
    static GLOBAL: Global = Global(UnsafeCell::new(Heap::new(Memory)));
}

#[cfg(test)]
mod tests;
