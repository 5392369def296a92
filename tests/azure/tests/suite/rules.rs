//! Throttling as requests meet it.

use super::*;
use azure::{Bucket, Limits, Principal};

fn limited(writes: Bucket) -> Asker {
    let config = Config { limits: Limits { writes, ..Limits::default() }, ..Config::default() };
    Asker::new(config)
}

#[test]
fn who_writes_too_much_is_told_how_long_to_wait() {
    let azure = limited(Bucket { burst: 2, per_minute: 10 });
    let put = |name: &str| azure.put(&server(name), server_body());
    assert_eq!(put("a").headers["x-ms-ratelimit-remaining-subscription-writes"], "1");
    assert_eq!(put("b").status, 202);
    let refused = put("c");
    assert_eq!(code(&refused), (429, "SubscriptionRequestsThrottled"));
    assert_eq!(refused.headers["retry-after"], "6");
    assert!(azure.cloud.resource(&server("c")).is_none());
    assert_eq!(azure.get(&server("a")).status, 404, "reads are counted apart");
    azure.wait(6);
    assert_eq!(put("c").status, 202);
}

#[test]
fn who_comes_back_too_early_waits_anew() {
    let azure = limited(Bucket { burst: 1, per_minute: 10 });
    let put = |name: &str| azure.put(&server(name), server_body());
    put("a");
    assert_eq!(put("b").status, 429);
    azure.wait(5);
    let early = put("b");
    assert_eq!((early.status, early.headers.contains_key("x-early")), (429, true));
    azure.wait(1);
    assert_eq!(put("b").status, 202);
}

#[test]
fn principals_are_throttled_apart() {
    let mut config = Config::default();
    let second = Principal { client_id: "another".into(), ..config.principals[0].clone() };
    config.principals.push(second);
    config.limits.writes = Bucket { burst: 1, per_minute: 10 };
    let azure = Asker::new(config);
    assert_eq!(azure.put(&server("a"), server_body()).status, 202);
    assert_eq!(azure.put(&server("b"), server_body()).status, 429);
    assert_eq!(azure.other("another").put(&server("b"), server_body()).status, 202);
}
