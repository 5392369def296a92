//! The contract of `wit/v1` as Rust types, generated. Everything an author needs of it is re-exported under better names.

#![allow(missing_docs, unsafe_code, clippy::all, reason = "generated; the contract itself is documented in wit/v1")]

wit_bindgen::generate!({
    path: "../../wit/v1",
    world: "plugin",
    pub_export_macro: true,
    export_macro_name: "export_component",
    default_bindings_module: "windlass_sdk::bindings",
    generate_unused_types: true,
    additional_derives: [PartialEq, ::serde::Serialize],
});
