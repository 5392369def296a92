//! The plugin as the component that ships, in the host's own sandbox. On demand the same plugin is asked as native code as
//! well, and both must say the same.

use super::Brain;
use crate::native;
use model::{Decision, Fault, Snapshot};
use tokio::runtime::Runtime;
use windlass::decide::Plugin;

/// The plugin as a component in the host's engine.
pub struct Component {
    plugin: Plugin,
    runtime: Runtime,
    /// Native code is asked as well, and must answer the same.
    pub compare: bool,
}

impl Component {
    /// For one thread.
    ///
    /// # Errors
    /// When no runtime can be made.
    pub fn new(plugin: Plugin) -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        Ok(Component { plugin, runtime, compare: false })
    }
}

impl Brain for Component {
    fn decide(&mut self, snapshot: &Snapshot) -> Result<Decision, Fault> {
        let decided = match self.runtime.block_on(self.plugin.decide(snapshot)) {
            Ok(decided) => decided.outcome,
            Err(error) => Err(Fault::Broken(format!("the component gave no answer: {error}"))),
        };
        if self.compare {
            let other = native::decide(snapshot);
            if other != decided {
                return Err(Fault::Broken(format!("the component decided {decided:?}, native code {other:?}")));
            }
        }
        decided
    }
}
