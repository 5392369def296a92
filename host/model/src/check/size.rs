//! How much a decision may hold. In: the desired items and the limits. Out: what is beyond them.

use super::{CheckLimits, Problem, Rule, object};
use crate::decision::Body;
use crate::inventory::Inventory;
use crate::plan::Desired;
use serde::Serialize;
use std::io;

pub(super) fn problems(desired: &[Desired], inventory: &Inventory, limits: &CheckLimits) -> Vec<Problem> {
    let CheckLimits { items, item_bytes, total_bytes, depth, inventory_bytes, backends: _ } = limits;
    let mut problems = Vec::new();
    if desired.len() > *items {
        let why = format!("the decision has {} items, at most {items} are taken", desired.len());
        problems.push(Problem::new(Rule::Oversize, "", &why));
    }
    let mut total = 0_usize;
    for one in desired {
        let mut add = |message: &str| problems.push(Problem::new(Rule::Oversize, &one.entry.id, message));
        let deep = match &one.body {
            Body::Kubernetes(body) => object::deeper_than(body, *depth),
            Body::Azure(resource) => object::deeper_than(&resource.body, *depth),
            Body::Secret(_) | Body::Mysql(_) | Body::Vault(_) => false,
        };
        if deep {
            add(&format!("the item has more than {depth} levels"));
            continue;
        }
        let bytes = bytes_of(&one.body);
        if bytes > *item_bytes {
            add(&format!("the item has {bytes} bytes, at most {item_bytes} are taken"));
        }
        total = total.saturating_add(bytes);
    }
    if total > *total_bytes {
        let why = format!("the items have {total} bytes together, at most {total_bytes} are taken");
        problems.push(Problem::new(Rule::Oversize, "", &why));
    }
    let bytes = inventory.write().len();
    if bytes > *inventory_bytes {
        let why = format!(
            "the inventory would have {bytes} bytes, at most {inventory_bytes} are taken: shorten ids and `after`"
        );
        problems.push(Problem::new(Rule::Oversize, "", &why));
    }
    problems
}

/// Most bytes of a status. It is stored with the resource, which has at most 1.5 MiB.
const STATUS_BYTES: usize = 256 << 10;

/// What is wrong with the status of a decision.
pub(crate) fn status_problems(status: &serde_json::Value) -> Vec<Problem> {
    let why = if object::deeper_than(status, object::MOST_DEPTH) {
        format!("the status has more than {} levels", object::MOST_DEPTH)
    } else {
        match bytes_of(status) {
            bytes if bytes > STATUS_BYTES => format!("the status has {bytes} bytes, at most {STATUS_BYTES} are taken"),
            _ => return Vec::new(),
        }
    };
    vec![Problem::new(Rule::Oversize, "", &why)]
}

/// Bytes as JSON, counted and not kept.
fn bytes_of(value: &impl Serialize) -> usize {
    let mut count = Count(0);
    match serde_json::to_writer(&mut count, value) {
        Ok(()) => count.0,
        // What cannot be written cannot be sent either.
        Err(_) => usize::MAX,
    }
}

struct Count(usize);

impl io::Write for Count {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.saturating_add(bytes.len());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
