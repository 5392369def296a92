//! Durability: clients write rows and note what they were told, faults happen, and afterwards every acknowledged row is
//! there and no two servers took writes at the same time.
//!
//! [`world`] is the cluster, [`writer`] the clients with their [`record`], [`fault`] what goes wrong, [`verify`] what must
//! hold afterwards, [`round`] one seeded trial after the other, [`report`] what is printed.

pub mod disk;
pub mod door;
pub mod fault;
pub mod log;
pub mod network;
pub mod process;
pub mod record;
pub mod reign;
pub mod report;
pub mod round;
pub mod session;
pub mod surroundings;
pub mod verify;
pub mod world;
pub mod writer;
