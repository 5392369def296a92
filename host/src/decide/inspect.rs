//! What can be said of a component before anything of it is compiled: bytes in, the contract version it speaks out.
//!
//! The whole binary is parsed and validated here, function bodies included: the compiler then only sees what is
//! well-formed, and panics of the runtime on malformed bytes stay out of reach. Bodies of what was compiled before are not
//! looked at again: they are most of the work, and were found well-formed then.

use super::error::LoadError;
use std::collections::BTreeSet;
use wasmparser::{
    Encoding, FuncValidatorAllocations, Parser, Payload, ValidPayload, Validator,
    component_types::ComponentEntityType,
    types::{Types, TypesRef},
};

/// Versions of the contract that this host speaks. One adapter for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Contract {
    /// `wit/v1`
    V1,
}

/// For people: what this host speaks.
const SUPPORTED: &str = "windlass:plugin 1.0";
const PACKAGE: &str = "windlass:plugin/";
/// What a plugin may import: interface, and functions of it.
const IMPORTS: [(&str, &[&str]); 2] = [("log", &["emit"]), ("types", &[])];
/// What a plugin must export.
const EXPORT: (&str, [&str; 4]) = ("reconciler", ["describe", "validate-settings", "validate", "decide"]);

/// How much of a component is validated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Depth {
    /// All of it: what a compiler is given.
    Whole,
    /// All but function bodies: what was compiled before.
    Surface,
}

/// Judges a component by its bytes.
pub(super) fn inspect(bytes: &[u8], depth: Depth) -> Result<Contract, LoadError> {
    if bytes.starts_with(b"\x7fELF") {
        // Machine code of strangers is never run, and loading it is as good as running it.
        return Err(LoadError::NotAComponent {
            what: "a precompiled artifact",
            hint: "ship the .wasm file, the host compiles it itself",
        });
    }
    if !bytes.starts_with(b"\0asm") {
        return Err(LoadError::NotAComponent {
            what: "no WebAssembly binary",
            hint: "build the plugin and ship the .wasm file that comes out",
        });
    }
    let (types, imports, exports) = validate(bytes, depth)?;
    let types = types.as_ref();
    let contract = version(imports.iter().chain(&exports))?;
    check_imports(types, &imports)?;
    check_exports(types, &exports)?;
    Ok(contract)
}

/// The binary is well-formed. Names of top-level imports and exports.
fn validate(bytes: &[u8], wanted: Depth) -> Result<(Types, Vec<String>, Vec<String>), LoadError> {
    let malformed = |error: wasmparser::Error| LoadError::Malformed {
        message: super::text::clean(error.message(), super::text::MESSAGE),
        offset: error.offset(),
    };
    let mut validator = Validator::new();
    let (mut imports, mut exports) = (Vec::new(), Vec::new());
    let mut allocations = FuncValidatorAllocations::default();
    let mut depth = 0_usize;
    let mut types = None;
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload.map_err(malformed)?;
        match &payload {
            Payload::Version { encoding, .. } => {
                if depth == 0 && *encoding == Encoding::Module {
                    return Err(LoadError::NotAComponent {
                        what: "a core module",
                        hint: "make a component of it, as `windlass build` does",
                    });
                }
                depth += 1;
            }
            Payload::End(_) => depth -= 1,
            Payload::ComponentImportSection(section) if depth == 1 => {
                for import in section.clone() {
                    imports.push(import.map_err(malformed)?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) if depth == 1 => {
                for export in section.clone() {
                    exports.push(export.map_err(malformed)?.name.name.to_owned());
                }
            }
            _ => {}
        }
        match validator.payload(&payload).map_err(malformed)? {
            ValidPayload::Func(function, body) if wanted == Depth::Whole => {
                let mut function = function.into_validator(allocations);
                function.validate(&body).map_err(malformed)?;
                allocations = function.into_allocations();
            }
            ValidPayload::End(ended) => types = Some(ended),
            ValidPayload::Ok | ValidPayload::Parser(_) | ValidPayload::Func(..) => {}
        }
    }
    let types =
        types.ok_or(LoadError::Malformed { message: "the component ends too early".into(), offset: bytes.len() })?;
    Ok((types, imports, exports))
}

/// Interface and version of a name of our package: `windlass:plugin/log@1.0.0`.
fn ours(name: &str) -> Option<(&str, &str)> {
    name.strip_prefix(PACKAGE)?.split_once('@')
}

/// The contract that a name is of: `windlass:plugin@1.0.0`.
pub(super) fn contract_of(name: &str) -> Option<String> {
    ours(name).map(|(_, version)| format!("windlass:plugin@{version}"))
}

/// Every name of our package has a version that this host speaks (H4).
fn version<'a>(names: impl Iterator<Item = &'a String>) -> Result<Contract, LoadError> {
    for name in names {
        if let Some((_, version)) = ours(name)
            && !is_1_0(version)
        {
            let found = format!("windlass:plugin {}", super::text::clean(version, super::text::NAME));
            return Err(LoadError::UnknownVersion { found, supported: SUPPORTED });
        }
    }
    Ok(Contract::V1)
}

/// Patches change comments only, so any will do.
fn is_1_0(version: &str) -> bool {
    version
        .strip_prefix("1.0.")
        .is_some_and(|patch| !patch.is_empty() && patch.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Nothing is imported but what the world has (G10).
fn check_imports(types: TypesRef<'_>, imports: &[String]) -> Result<(), LoadError> {
    let mut undeclared = BTreeSet::new();
    for name in imports {
        let allowed = ours(name).and_then(|(interface, _)| IMPORTS.iter().find(|(known, _)| *known == interface));
        let Some((_, functions)) = allowed else {
            undeclared.insert(name.clone());
            continue;
        };
        let item = types.component_item_for_import(name).map(|item| item.ty);
        let Some(ComponentEntityType::Instance(instance)) = item else {
            undeclared.insert(name.clone());
            continue;
        };
        for (function, item) in &types[instance].exports {
            let is_type = matches!(item.ty, ComponentEntityType::Type { .. });
            if !is_type && !functions.contains(&function.as_str()) {
                undeclared.insert(format!("{name}#{function}"));
            }
        }
    }
    if undeclared.is_empty() {
        return Ok(());
    }
    let names = undeclared.iter().take(10).map(|name| super::text::clean(name, super::text::NAME)).collect();
    Err(LoadError::UndeclaredImport { names })
}

/// Everything that the host calls is there.
fn check_exports(types: TypesRef<'_>, exports: &[String]) -> Result<(), LoadError> {
    let (interface, functions) = EXPORT;
    let name = exports.iter().find(|name| ours(name).is_some_and(|(exported, _)| exported == interface));
    let Some(name) = name else {
        return Err(LoadError::MissingExport { name: format!("{PACKAGE}{interface}@1.0.0") });
    };
    let item = types.component_item_for_export(name).map(|item| item.ty);
    let Some(ComponentEntityType::Instance(instance)) = item else {
        return Err(LoadError::MissingExport { name: name.clone() });
    };
    for function in functions {
        let item = types[instance].exports.get(function).map(|item| item.ty);
        if !matches!(item, Some(ComponentEntityType::Func(_))) {
            return Err(LoadError::MissingExport { name: format!("{name}#{function}") });
        }
    }
    Ok(())
}
