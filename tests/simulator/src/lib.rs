//! Simulated MySQL clusters, and the host's policy running on them: the same plugin that ships, on servers that replicate,
//! wait for acknowledgements, crash, lose each other and come back as MySQL servers do. In: seeds. Out: what was broken.
//!
//! `set` reckons with transactions; `server` is one server; `fleet` all of them with network and clients; `cluster` their
//! Kubernetes objects; `world` all of it with the rules that must hold. `host` is a host whose every step may be its last;
//! `brain` who decides in it; `run` one run from a seed, `mutant` policies that are broken on purpose, to see that the
//! rules notice. Nothing here has a clock, a thread or a socket.

pub mod backend;
pub mod brain;
pub mod change;
pub mod cluster;
pub mod facts;
pub mod fleet;
pub mod host;
pub mod mutant;
pub mod native;
pub mod run;
pub mod server;
pub mod set;
pub mod world;
