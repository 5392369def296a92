//! What is no plugin is refused by name, before it is compiled (G10, H4).

use guests::{Guest, description};
use hostile::{engine, limits, snapshot};
use serde_json::json;
use windlass::decide::{Limits, LoadError};

async fn refusal(bytes: Vec<u8>) -> LoadError {
    engine().load("stranger", bytes, limits()).await.unwrap_err()
}

#[tokio::test]
async fn imports_beyond_the_contract_are_refused_by_name() {
    let wasi = [
        ("wasi:clocks", "0.2.0", "wall-clock", "now: func() -> u64"),
        ("wasi:clocks", "0.2.0", "monotonic-clock", "now: func() -> u64"),
        ("wasi:random", "0.2.0", "random", "get-random-u64: func() -> u64"),
        ("wasi:filesystem", "0.2.0", "preopens", "get-directories: func() -> u64"),
        ("wasi:sockets", "0.2.0", "instance-network", "instance-network: func() -> u64"),
        ("wasi:cli", "0.2.0", "environment", "get-environment: func() -> u64"),
        ("wasi:cli", "0.2.0", "stdout", "get-stdout: func() -> u64"),
        ("windlass:host", "1.0.0", "shell", "run: func() -> u64"),
    ];
    for (package, version, interface, function) in wasi {
        let component = Guest::idle().importing(package, version, interface, function).build().unwrap();
        let names = vec![format!("{package}/{interface}@{version}")];
        assert_eq!(refusal(component).await, LoadError::UndeclaredImport { names });
    }
}

#[tokio::test]
async fn a_contract_version_that_the_host_does_not_speak_is_refused_by_name_with_what_it_speaks() {
    for version in ["2.0.0", "1.1.0", "0.9.0"] {
        let error = refusal(Guest::idle().version(version).build().unwrap()).await;
        let found = format!("windlass:plugin {version}");
        assert_eq!(error, LoadError::UnknownVersion { found: found.clone(), supported: "windlass:plugin 1.0" });
        assert!(error.to_string().contains(&found), "{error}");
    }
}

#[tokio::test]
async fn a_later_patch_of_the_contract_is_served() {
    let component = Guest::idle().version("1.0.7").build().unwrap();
    let plugin = engine().load("patched", component, limits()).await.unwrap();
    assert!(plugin.decide(&snapshot("{}")).await.unwrap().outcome.is_ok());
}

#[tokio::test]
async fn a_missing_function_is_named() {
    for function in ["validate-settings", "validate", "decide", "describe"] {
        let error = refusal(Guest::idle().without(function).build().unwrap()).await;
        let name = format!("windlass:plugin/reconciler@1.0.0#{function}");
        assert_eq!(error, LoadError::MissingExport { name });
    }
}

#[tokio::test]
async fn a_function_of_another_type_is_refused() {
    let component = wat::parse_str(
        "(component
           (core module $m (func (export \"f\") (result i32) i32.const 0))
           (core instance $i (instantiate $m))
           (func $f (result u32) (canon lift (core func $i \"f\")))
           (instance $r (export \"describe\" (func $f)) (export \"validate\" (func $f))
             (export \"validate-settings\" (func $f)) (export \"decide\" (func $f)))
           (export \"windlass:plugin/reconciler@1.0.0\" (instance $r)))",
    );
    let error = refusal(component.unwrap()).await;
    assert!(matches!(&error, LoadError::WrongType { .. } | LoadError::Describe(_)), "{error:?}");
    assert!(!error.to_string().is_empty());
}

#[tokio::test]
async fn what_is_no_component_is_said_to_be_what_it_is() {
    let is = |error: LoadError, expected: &str| match error {
        LoadError::NotAComponent { what, .. } => assert_eq!(what, expected),
        other => panic!("{other:?}"),
    };
    is(refusal(b"apiVersion: v1".to_vec()).await, "no WebAssembly binary");
    is(refusal(vec![]).await, "no WebAssembly binary");
    is(refusal(b"(component)".to_vec()).await, "no WebAssembly binary");
    is(refusal(b"\x7fELF machine code".to_vec()).await, "a precompiled artifact");
    is(refusal(wat::parse_str("(module)").unwrap()).await, "a core module");
    let error = refusal(wat::parse_str("(component)").unwrap()).await;
    assert_eq!(error, LoadError::MissingExport { name: "windlass:plugin/reconciler@1.0.0".into() });
}

#[tokio::test]
async fn a_component_beyond_its_size_is_refused() {
    let component = Guest::idle().build().unwrap();
    let (size, limit) = (component.len(), component.len() - 1);
    let error = engine().load("large", component, Limits { component_size: limit, ..limits() }).await.unwrap_err();
    assert_eq!(error, LoadError::TooLarge { size, limit });
}

#[tokio::test]
async fn a_component_that_starts_beyond_its_limits_is_refused() {
    let error = refusal(Guest::idle().pages(1_024).build().unwrap()).await;
    assert!(
        matches!(error, LoadError::StartsTooLarge { field: "memory", wanted: 67_108_864, limit: 16_777_216, .. }),
        "{error:?}"
    );
    let error = refusal(Guest::idle().with("(table 20000 funcref)").build().unwrap()).await;
    assert!(matches!(error, LoadError::StartsTooLarge { field: "tableElements", wanted: 20_000, .. }), "{error:?}");
}

#[tokio::test]
async fn a_huge_data_segment_is_within_the_limits_or_refused() {
    let data = |bytes: usize| {
        let text = "a".repeat(bytes);
        Guest::idle().pages(250).with(&format!("(data (i32.const 65536) \"{text}\")")).build().unwrap()
    };
    assert!(engine().load("large", data(4 << 20), limits()).await.is_ok());
    let error = refusal(data(9 << 20)).await;
    assert!(matches!(error, LoadError::TooLarge { .. }), "{error:?}");
}

#[tokio::test]
async fn a_component_of_many_instances_is_refused() {
    // Each instance has a memory of its own: the limit of one would be passed fifty times.
    let instances: String = (0..50).map(|number| format!("(core instance $i{number} (instantiate $m))")).collect();
    let text = format!(
        "(component
           (core module $m (memory 100) (func (export \"f\")))
           {instances}
           (func $f (canon lift (core func $i0 \"f\")))
           (instance $r (export \"describe\" (func $f)) (export \"validate\" (func $f))
             (export \"validate-settings\" (func $f)) (export \"decide\" (func $f)))
           (export \"windlass:plugin/reconciler@1.0.0\" (instance $r)))"
    );
    let error = refusal(wat::parse_str(text).unwrap()).await;
    assert!(matches!(&error, LoadError::Refused { message } if message.contains("instance")), "{error:?}");
}

#[tokio::test]
async fn a_description_that_is_none_is_refused_with_the_field() {
    let mut wrong = description("guest");
    wrong["serves"] = json!([{"kind": "Secret"}]);
    let error = refusal(Guest::idle().describing(wrong).build().unwrap()).await;
    assert!(matches!(&error, LoadError::Description(field) if field.path == "serves[0]"), "{error:?}");
}

#[tokio::test]
async fn limits_beyond_what_the_engine_is_laid_out_for_are_refused() {
    let component = Guest::idle().build().unwrap();
    let error = engine().load("greedy", component, Limits { memory: 4 << 30, ..limits() }).await.unwrap_err();
    assert!(matches!(error, LoadError::LimitTooHigh { field: "memory", .. }), "{error:?}");
}

#[tokio::test]
async fn a_good_plugin_is_described_by_itself() {
    let component = Guest::idle().describing(description("shop")).build().unwrap();
    let digest = windlass::decide::Digest::of(&component);
    let plugin = engine().load("operators-name", component, limits()).await.unwrap();
    assert_eq!(plugin.description().name, "shop");
    assert_eq!(plugin.description().serves[0]["spec"]["group"], "shop.example");
    assert_eq!((plugin.name(), plugin.digest()), ("operators-name", &digest));
}
