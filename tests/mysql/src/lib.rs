//! Real MySQL servers for tests: an installation in, running servers out. Each has a loopback address and a folder of its
//! own, and ends with the value that stands for it. And whole clusters of them, with clients that write and faults that
//! happen, see [`durability`].

pub mod backend;
pub mod durability;
pub mod installation;
pub mod mysqld;

pub use backend::Backend;
pub use installation::{Installation, installations};
pub use mysqld::Mysqld;
