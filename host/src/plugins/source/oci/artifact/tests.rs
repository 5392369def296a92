use super::*;

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

/// The layout that `oci-wasm` 0.6, and with it `wkg` 0.16, reads and writes: each field by name.
#[test]
fn what_is_pushed_has_the_layout_that_other_tools_read() {
    let component = b"\0asm";
    let digest = "sha256:cd5d4935a48c0672cb06407bb443bc0087aff947c6b864bac886982c73b3027f";
    let config = config(
        component,
        &texts(&["windlass:plugin/log@1.0.0"]),
        &texts(&["windlass:plugin/reconciler@1.0.0"]),
        "2026-01-02T03:04:05Z",
    );
    assert_eq!(
        config,
        json!({
            "created": "2026-01-02T03:04:05Z",
            "architecture": "wasm",
            "os": "wasip2",
            "layerDigests": [digest],
            "component": {
                "exports": ["windlass:plugin/reconciler@1.0.0"],
                "imports": ["windlass:plugin/log@1.0.0"],
                "target": "windlass:plugin/plugin@1.0.0",
            },
        })
    );
    let config = config.to_string();
    let mut layer = Blob::of(LAYER, component);
    layer.annotations.insert(TITLE.into(), "greeting.wasm".into());
    let annotations = BTreeMap::from([(VERSION.to_owned(), "1.4.0".to_owned())]);
    let manifest = Manifest::of(Blob::of(CONFIG, config.as_bytes()), vec![layer], annotations);
    assert_eq!(
        serde_json::to_value(&manifest).unwrap(),
        json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {
                "mediaType": "application/vnd.wasm.config.v0+json",
                "digest": format!("sha256:{}", Digest::of(config.as_bytes())),
                "size": config.len(),
            },
            "layers": [{
                "mediaType": "application/wasm",
                "digest": digest,
                "size": 4,
                "annotations": {"org.opencontainers.image.title": "greeting.wasm"},
            }],
            "annotations": {"org.opencontainers.image.version": "1.4.0"},
        })
    );
}

/// As `wkg oci push` writes it, with null where it has nothing to say.
#[test]
fn what_other_tools_push_is_read() {
    let text = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.wasm.config.v0+json", "digest": "sha256:aa", "size": 300, "annotations": null},
        "layers": [{
            "mediaType": "application/wasm", "digest": "sha256:bb", "size": 4,
            "annotations": {"org.opencontainers.image.title": "greeting.wasm"},
        }],
        "annotations": null,
    });
    let manifest: Manifest = serde_json::from_value(text).unwrap();
    assert_eq!(manifest.component("r.example/a").unwrap().digest, "sha256:bb");
}

#[test]
fn another_artifact_is_refused_with_what_it_is_made_of() {
    let config = Blob::of("application/vnd.oci.image.config.v1+json", b"{}");
    let layer = |media_type: &str| Blob::of(media_type, b"x");
    for layers in [vec![], vec![layer("text/plain")], vec![layer(LAYER), layer(LAYER)]] {
        let manifest = Manifest::of(config.clone(), layers, BTreeMap::new());
        let error = manifest.component("r.example/a").unwrap_err().to_string();
        assert!(error.contains("it needs one layer application/wasm"), "{error}");
    }
    let md5 = Blob { digest: "md5:aa".into(), ..layer(LAYER) };
    assert!(Manifest::of(config, vec![md5], BTreeMap::new()).component("r.example/a").is_err());
}

#[test]
fn a_bundle_is_recognised_by_its_type_and_by_the_one_that_an_index_gives_it() {
    let of = |artifact_type: Option<&str>| Blob {
        artifact_type: artifact_type.map(str::to_owned),
        ..Blob::of(MANIFEST, b"")
    };
    for may in [
        None,
        Some(""),
        Some("application/vnd.oci.empty.v1+json"),
        Some("application/vnd.dev.sigstore.bundle.v0.3+json"),
    ] {
        assert!(may_be_bundle(&of(may)), "{may:?}");
    }
    assert!(!may_be_bundle(&of(Some("application/spdx+json"))));
}
