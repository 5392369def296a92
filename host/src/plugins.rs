//! Plugins: where they come from and what they may do. A folder or a `Plugin` resource in; a verified component with its
//! grants, or a named reason for none, out. Nothing here runs a plugin or changes a cluster.

pub mod claims;
pub mod folder;
pub mod permissions;
pub mod resource;
pub mod source;
pub mod store;
pub mod verify;
pub mod watched;

pub use folder::{PluginFileError, PluginFiles, discover};
pub use resource::{PluginSpec, PluginStatus};
