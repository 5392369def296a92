use super::*;
use proptest::prelude::*;

/// Memory of the test's own, handed out in pieces of which each follows on the last.
struct Pieces {
    memory: Vec<u128>,
    used: usize,
    piece: usize,
}

impl Source for Pieces {
    fn more(&mut self, bytes: usize) -> Option<(*mut u8, *mut u8)> {
        let bytes = bytes.max(self.piece);
        let memory = self.memory.as_mut_ptr().cast::<u8>();
        let (from, to) = (self.used, self.used + bytes);
        if to > self.memory.len() * size_of::<u128>() {
            return None;
        }
        self.used = to;
        Some((memory.wrapping_add(from), memory.wrapping_add(to)))
    }
}

fn heap(bytes: usize, piece: usize) -> Heap<Pieces> {
    Heap::new(Pieces { memory: vec![0; bytes / size_of::<u128>()], used: 0, piece })
}

fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).unwrap()
}

#[test]
fn a_freed_block_is_used_again() {
    let mut heap = heap(1 << 16, 4096);
    let first = heap.allocate(layout(40, 8));
    // SAFETY: it is not used any more.
    unsafe { heap.release(first, layout(40, 8)) };
    assert_eq!(heap.allocate(layout(33, 8)), first);
    assert_ne!(heap.allocate(layout(33, 8)), first);
}

#[test]
fn the_last_block_grows_where_it_is() {
    let mut heap = heap(1 << 16, 8192);
    let block = heap.allocate(layout(100, 1));
    // SAFETY: only the answer is used.
    let grown = unsafe { heap.resize(block, layout(100, 1), 4000) };
    assert_eq!(grown, block);
    let other = heap.allocate(layout(16, 1));
    assert!(other.addr() >= block.addr() + 4000);
    // SAFETY: only the answer is used.
    let moved = unsafe { heap.resize(block, layout(4000, 1), 4200) };
    assert_ne!(moved, block);
}

#[test]
fn no_memory_is_no_block() {
    let mut heap = heap(4096, 1024);
    assert!(heap.allocate(layout(8192, 1)).is_null());
    assert!(!heap.allocate(layout(512, 1)).is_null());
    assert!(heap.allocate(layout(usize::MAX / 4, 1)).is_null());
}

/// What a test does to a heap: takes a block of a size and alignment, gives the nth back, or resizes it.
#[derive(Clone, Debug)]
enum Step {
    Take(usize, u32),
    Give(usize),
    Resize(usize, usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let size = prop_oneof![1usize..80, 1usize..5000];
    let step = prop_oneof![
        (size.clone(), 0u32..7).prop_map(|(size, align)| Step::Take(size, align)),
        any::<usize>().prop_map(Step::Give),
        (any::<usize>(), size).prop_map(|(which, size)| Step::Resize(which, size)),
    ];
    proptest::collection::vec(step, 1..200)
}

proptest! {
    #[test]
    fn blocks_are_aligned_apart_and_keep_what_is_in_them(steps in steps(), piece in 64usize..9000) {
        let mut heap = heap(4 << 20, piece);
        let mut held: Vec<(*mut u8, Layout, u8)> = Vec::new();
        for (number, step) in steps.into_iter().enumerate() {
            let mark = number as u8;
            match step {
                Step::Take(size, align) => {
                    let layout = layout(size, 1 << align);
                    let block = heap.allocate(layout);
                    prop_assert!(!block.is_null() && block.addr().is_multiple_of(layout.align()));
                    // SAFETY: the block has that many bytes.
                    unsafe { block.write_bytes(mark, size) };
                    held.push((block, layout, mark));
                }
                Step::Give(which) if !held.is_empty() => {
                    let (block, layout, _) = held.swap_remove(which % held.len());
                    // SAFETY: it is not used any more.
                    unsafe { heap.release(block, layout) };
                }
                Step::Resize(which, size) if !held.is_empty() => {
                    let which = which % held.len();
                    let (block, old, mark) = held[which];
                    // SAFETY: only the answer is used.
                    let block = unsafe { heap.resize(block, old, size) };
                    prop_assert!(!block.is_null() && block.addr() % old.align() == 0);
                    // SAFETY: the block has `size` bytes, of which the first were there before.
                    let kept = unsafe { std::slice::from_raw_parts(block, old.size().min(size)) };
                    prop_assert!(kept.iter().all(|byte| *byte == mark));
                    // SAFETY: the block has that many bytes.
                    unsafe { block.write_bytes(mark, size) };
                    held[which] = (block, layout(size, old.align()), mark);
                }
                Step::Give(_) | Step::Resize(..) => {}
            }
            for (block, layout, mark) in &held {
                // SAFETY: the block is held, and was written as a whole.
                let content = unsafe { std::slice::from_raw_parts(*block, layout.size()) };
                prop_assert!(content.iter().all(|byte| byte == mark));
            }
        }
    }
}
