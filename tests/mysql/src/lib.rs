//! Real MySQL servers for tests: an installation in, running servers out. Each has a loopback address and a folder of its
//! own, and ends with the value that stands for it.

pub mod backend;
pub mod installation;
pub mod mysqld;

pub use backend::Backend;
pub use installation::{Installation, installations};
pub use mysqld::Mysqld;
