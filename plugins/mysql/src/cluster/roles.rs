//! Which server clients are sent to. In: a view. Out: the role of each pod whose role can be told now. Nothing is said of a
//! server about which nothing is known, so that a host that has just started takes no server out of its Service.

use super::facts::Seen;
use super::state::{State, forming};
use super::view::View;
use std::collections::BTreeMap;

/// A pod's role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Role {
    /// `primary`, `replica` or `none`, as the label has it.
    pub name: &'static str,
    /// Clients that read may be sent to it.
    pub readable: bool,
}

const NONE: Role = Role { name: "none", readable: false };

/// The roles.
pub fn roles(view: &View<'_>, state: State) -> BTreeMap<u32, Role> {
    view.facts
        .servers
        .iter()
        .filter(|(_, s)| s.pod.is_some())
        .filter_map(|(i, _)| Some((*i, role(view, state, *i)?)))
        .collect()
}

fn role(view: &View<'_>, state: State, ordinal: u32) -> Option<Role> {
    match view.facts.servers.get(&ordinal).map(|server| &server.seen) {
        Some(Seen::Up(server)) => {
            if matches!(state, State::Offline | State::Restoring | State::DataLost) || view.record.primary.is_none() {
                return Some(NONE);
            }
            if view.is_primary(ordinal) {
                // Until the first primary has its replicas, an acknowledged write would be on it alone.
                let open = server.writable && !forming(view) && !view.lost_data(ordinal);
                let closing = view.record.operation.as_ref().is_some_and(|o| o.closes());
                return Some(if open && !closing {
                    Role { name: "primary", readable: view.facts.wanted == 1 }
                } else {
                    NONE
                });
            }
            let behind = server.channel.as_ref().and_then(|channel| channel.lag);
            let fresh = view.facts.policy.max_lag.is_none_or(|most| behind.is_none_or(|lag| lag <= most));
            let good = view.sound(ordinal).is_some()
                && server.super_read_only
                && server.channel.as_ref().is_some_and(|c| c.applying && c.from.is_some())
                && view.needs_reseed(ordinal).is_none();
            // While there is no primary to follow, readers keep what they have.
            let follows = view.primary().is_none() || view.record.primary.is_some_and(|p| server.follows(p));
            Some(if good && follows && fresh { Role { name: "replica", readable: true } } else { NONE })
        }
        _ if view.gone(ordinal) => Some(NONE),
        _ => None,
    }
}
