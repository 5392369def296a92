//! Every exchange that was recorded from a real API server, replayed against this one. One test for each file; each
//! difference is told with the name of its exchange.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

#[path = "../wire/client.rs"]
mod client;
mod difference;
mod normal;
mod replay;

use replay::matches;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_are_created_read_replaced_and_refused_as_recorded() {
    matches("01_objects.json", 35).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn patches_of_every_format_do_as_recorded() {
    matches("02_patch.json", 17).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn server_side_apply_merges_and_tracks_owners_as_recorded() {
    matches("03_apply.json", 33).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn custom_resources_are_defaulted_pruned_and_validated_as_recorded() {
    matches("04_crd.json", 37).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_and_watches_select_page_and_replay_as_recorded() {
    matches("05_watch.json", 23).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn finalizers_and_owners_hold_back_and_collect_as_recorded() {
    matches("06_deletion.json", 27).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn built_in_controllers_make_what_was_recorded() {
    matches("07_workloads.json", 17).await;
}
