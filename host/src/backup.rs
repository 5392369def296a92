//! Backups of MySQL servers: one is taken from a healthy server with the server's own tools, and brought into a new one.
//!
//! What decides is pure: [`candidate`] chooses the server, [`manifest`] is what makes a file a backup, [`retention`] says
//! which ones go, [`dump`] reads the ends of a dump. What acts: [`tool`] runs the tools, [`server`] asks servers through
//! them, [`stream`] compresses and checks on the way, [`folder`] is the destination. [`take`] and [`restore`] put them
//! together.
//!
//! A backup is a file `NAME.sql.zst` and its manifest `NAME.json`, which is written last. Without a manifest there is no
//! backup.

pub mod candidate;
pub mod dump;
pub mod folder;
pub mod manifest;
pub mod name;
pub mod restore;
pub mod retention;
pub mod server;
pub mod stream;
pub mod take;
pub mod tool;
