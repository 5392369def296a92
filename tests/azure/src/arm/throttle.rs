//! Throttling: a token bucket for each principal, subscription and class of requests, and a larger one for all principals
//! of a subscription. What is refused is told how long to wait; who asks again before that waits anew.

use crate::config::{Bucket, Limits};
use std::collections::BTreeMap;

/// Classes of requests that are counted apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    Read,
    Write,
    Delete,
}

impl Class {
    pub fn of(method: &str) -> Self {
        match method {
            "GET" | "HEAD" => Class::Read,
            "DELETE" => Class::Delete,
            _ => Class::Write,
        }
    }

    /// As ARM's headers and messages have it.
    pub fn word(self) -> &'static str {
        match self {
            Class::Read => "read",
            Class::Write => "write",
            Class::Delete => "delete",
        }
    }

    fn bucket(self, limits: &Limits) -> Bucket {
        match self {
            Class::Read => limits.reads,
            Class::Write => limits.writes,
            Class::Delete => limits.deletes,
        }
    }
}

/// A request that is one too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    /// Seconds to wait.
    pub wait: u64,
    /// It came before the end of an earlier wait, and was not under way when that began.
    pub early: bool,
}

/// One bucket. Tokens are counted in 60,000ths, so that a rate per minute flows in whole units each millisecond.
#[derive(Clone, Copy, Debug)]
struct Level {
    tokens: u64,
    at: u64,
    closed_at: u64,
    closed_until: u64,
}

const TOKEN: u64 = 60_000;
/// How long a request may be under way, in milliseconds: its sender cannot know of a wait that was told to another one.
const UNDER_WAY: u64 = 250;

/// All buckets.
#[derive(Default)]
pub(crate) struct Buckets(BTreeMap<(String, String, Class), Level>);

impl Buckets {
    /// Takes a token for a request, from both buckets or from none. The answer is how many the principal has left.
    pub fn take(
        &mut self,
        limits: &Limits,
        principal: &str,
        subscription: &str,
        class: Class,
        now: u64,
    ) -> Result<u64, Refused> {
        let own = class.bucket(limits);
        let all = Bucket {
            burst: own.burst * limits.subscription_factor,
            per_minute: own.per_minute * limits.subscription_factor,
        };
        let key = |who: &str| (who.to_owned(), subscription.to_ascii_lowercase(), class);
        let (own_key, all_key) = (key(principal), key("*"));
        self.look(&own_key, own, limits, now)?;
        self.look(&all_key, all, limits, now)?;
        let mut left = 0;
        for key in [all_key, own_key] {
            if let Some(level) = self.0.get_mut(&key) {
                level.tokens -= TOKEN;
                left = level.tokens / TOKEN;
            }
        }
        Ok(left)
    }

    fn look(
        &mut self,
        key: &(String, String, Class),
        bucket: Bucket,
        limits: &Limits,
        now: u64,
    ) -> Result<(), Refused> {
        let full = bucket.burst * TOKEN;
        let level = self.0.entry(key.clone()).or_insert(Level { tokens: full, at: now, closed_at: 0, closed_until: 0 });
        let flowed = now.saturating_sub(level.at).saturating_mul(bucket.per_minute);
        level.tokens = level.tokens.saturating_add(flowed).min(full);
        level.at = now;
        let early = now < level.closed_until;
        if level.tokens >= TOKEN && !(early && limits.early_restarts) {
            return Ok(());
        }
        let missing = TOKEN.saturating_sub(level.tokens);
        let wait = missing.div_ceil(bucket.per_minute.max(1)).div_ceil(1000).max(1);
        if !early {
            level.closed_at = now;
        }
        level.closed_until = now + wait * 1000;
        Err(Refused { wait, early: early && now > level.closed_at + UNDER_WAY })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(early_restarts: bool) -> Limits {
        Limits { writes: Bucket { burst: 2, per_minute: 10 }, early_restarts, ..Limits::default() }
    }

    #[test]
    fn a_bucket_gives_its_burst_and_then_what_flows() {
        let (mut buckets, limits) = (Buckets::default(), limits(false));
        let mut take = |now| buckets.take(&limits, "p", "s", Class::Write, now);
        assert_eq!((take(0), take(0)), (Ok(1), Ok(0)));
        assert_eq!(take(0), Err(Refused { wait: 6, early: false }));
        assert_eq!(take(6_000), Ok(0));
        assert_eq!(take(6_000), Err(Refused { wait: 6, early: false }));
    }

    #[test]
    fn who_asks_before_the_time_waits_anew() {
        let (mut buckets, limits) = (Buckets::default(), limits(true));
        let mut take = |now| buckets.take(&limits, "p", "s", Class::Write, now);
        let _ = (take(0), take(0), take(0));
        assert_eq!(take(5_900), Err(Refused { wait: 1, early: true }));
        assert_eq!(take(6_000), Err(Refused { wait: 1, early: true }), "the first wait does not count any more");
        assert_eq!(take(7_000), Ok(0));
    }

    #[test]
    fn what_was_under_way_when_a_wait_began_is_refused_and_not_early() {
        let (mut buckets, limits) = (Buckets::default(), limits(true));
        let mut take = |now| buckets.take(&limits, "p", "s", Class::Write, now);
        let _ = (take(0), take(0), take(0));
        assert!(take(UNDER_WAY).is_err_and(|refused| !refused.early));
        assert!(take(UNDER_WAY + 1).is_err_and(|refused| refused.early));
    }

    #[test]
    fn principals_have_buckets_of_their_own_and_one_in_common() {
        let mut buckets = Buckets::default();
        let limits = Limits { subscription_factor: 2, ..limits(false) };
        let mut take = |who| buckets.take(&limits, who, "s", Class::Write, 0).is_ok();
        assert!(take("a") && take("a") && !take("a"));
        assert!(take("b") && take("b") && !take("c"), "the subscription has four");
    }
}
