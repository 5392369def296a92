//! How WebAssembly is compiled and run. One place, because the compiling child and the serving parent must agree.
//!
//! Two switches look tempting and are left alone: switching multi-memory off makes the compiler panic on components with
//! adapters between their parts, and smaller memory reservations force explicit bounds checks, which cost a quarter of
//! the speed and save only address space.

use super::limits::{MOST_MEMORY, MOST_TABLE_ELEMENTS};
use std::num::NonZeroUsize;
use wasmtime::{Config, Enabled, InstanceAllocationStrategy, PoolingAllocationConfig, Strategy};

/// Core instances that one component may be made of. Rust needs 3, JavaScript 13, Python 38.
const CORE_INSTANCES: u32 = 40;
/// Linear memories of one component. JavaScript needs 3.
const MEMORIES: u32 = 4;
/// Tables of one component. JavaScript needs 3.
const TABLES: u32 = 8;

/// Settings that decide what machine code is made, and what it may do.
pub(super) fn config(stack: usize) -> Config {
    let mut config = Config::new();
    config
        // Never the baseline compiler for code of strangers: its sandbox had holes.
        .strategy(Strategy::Cranelift)
        .memory_init_cow(true)
        .signals_based_traps(true)
        .epoch_interruption(true)
        .consume_fuel(true)
        .max_wasm_stack(stack)
        .concurrency_support(false)
        .gc_support(false)
        .wasm_threads(false)
        .shared_memory(false)
        .wasm_memory64(false)
        // What differs between processors: off, or made equal.
        .wasm_relaxed_simd(false)
        .cranelift_nan_canonicalization(true)
        // From machine code back to the component's bytes: nobody reads offsets, and it is as large as the code itself.
        .generate_address_map(false)
        .wasm_backtrace_max_frames(NonZeroUsize::new(20))
        .parallel_compilation(false);
    config
}

/// As [`config`], with room for `slots` instances reserved beforehand: an instance then costs microseconds.
pub(super) fn pooled(stack: usize, slots: u32) -> Config {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(slots)
        .total_core_instances(slots * CORE_INSTANCES)
        .total_memories(slots * MEMORIES)
        .total_tables(slots * TABLES)
        .total_gc_heaps(slots)
        .max_core_instances_per_component(CORE_INSTANCES)
        .max_memories_per_component(MEMORIES)
        .max_tables_per_component(TABLES)
        .max_memories_per_module(1)
        .max_tables_per_module(4)
        .table_elements(MOST_TABLE_ELEMENTS)
        .max_memory_size(MOST_MEMORY)
        .max_component_instance_size(1 << 20)
        .max_core_instance_size(1 << 20)
        .linear_memory_keep_resident(2 << 20)
        .table_keep_resident(64 << 10)
        .max_unused_warm_slots(slots)
        .pagemap_scan(Enabled::Auto);
    let mut config = config(stack);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    config
}
