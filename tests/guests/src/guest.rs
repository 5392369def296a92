//! The parts of a guest, and the component that they make.

use crate::layout::Layout;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::fmt::Write;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::{Resolve, Type, WorldItem};

/// The contract.
const WIT: &str = include_str!("../../../wit/v1/windlass.wit");
/// Address of the first answer. Below is room for what a guest's code wants to keep.
const ANSWERS: usize = 4_096;
/// Bytes of a page of linear memory.
const PAGE: usize = 64 << 10;

/// A plugin under construction.
#[derive(Clone, Debug)]
pub struct Guest {
    wit: String,
    world: String,
    version: String,
    description: Value,
    judgement: Value,
    answer: Value,
    decide: String,
    describe: String,
    module: String,
    omit: Vec<String>,
    pages: usize,
}

impl Guest {
    /// A plugin that always decides this: `{"ok": decision}` or `{"err": fault}`.
    pub fn answering(answer: Value) -> Self {
        Guest {
            wit: WIT.into(),
            world: "plugin".into(),
            version: "1.0.0".into(),
            description: description("guest"),
            judgement: json!({"ok": null}),
            answer,
            decide: String::new(),
            describe: String::new(),
            module: String::new(),
            omit: Vec::new(),
            pages: 1,
        }
    }

    /// A plugin that decides an empty set.
    pub fn idle() -> Self {
        Guest::answering(json!({"ok": {"status": "{}"}}))
    }

    /// A plugin that returns the text of the resource as its status.
    pub fn echo() -> Self {
        // `status` of the decision in the answer: the tag of the result, then `items`, then this.
        Guest::idle().doing(
            "(i32.store (i32.add (global.get $answer) (i32.const 16)) (local.get $resource))
             (i32.store (i32.add (global.get $answer) (i32.const 20)) (local.get $resource_length))",
        )
    }

    /// What `decide` does before it answers. Locals are `$resource`, `$resource_length`, `$now`, `$settings`, `$i`, `$j`;
    /// globals `$answer` (address of the answer of `decide`) and `$kept`; `$log (level, text, length)` is imported;
    /// addresses 0 to 4095 are free.
    pub fn doing(self, text: &str) -> Self {
        Guest { decide: text.into(), ..self }
    }

    /// What `describe` does before it answers.
    pub fn doing_in_describe(self, text: &str) -> Self {
        Guest { describe: text.into(), ..self }
    }

    /// More fields of the module: functions, tables, data, a start function.
    pub fn with(self, fields: &str) -> Self {
        Guest { module: fields.into(), ..self }
    }

    /// Another description.
    pub fn describing(self, description: Value) -> Self {
        Guest { description, ..self }
    }

    /// The answer of both `validate` functions: `{"ok": null}` or `{"err": [..]}`.
    pub fn judging(self, judgement: Value) -> Self {
        Guest { judgement, ..self }
    }

    /// At least this many pages of memory at start.
    pub fn pages(self, pages: usize) -> Self {
        Guest { pages, ..self }
    }

    /// Made for another version of the contract, of the same text.
    pub fn version(self, version: &str) -> Self {
        let wit = self.wit.replace("package windlass:plugin@1.0.0;", &format!("package windlass:plugin@{version};"));
        Guest { wit, version: version.into(), ..self }
    }

    /// Without this function of the contract.
    pub fn without(mut self, function: &str) -> Self {
        let mut wit = String::new();
        for line in self.wit.lines() {
            if !line.trim_start().starts_with(&format!("{function}: func(")) {
                wit.push_str(line);
                wit.push('\n');
            }
        }
        self.wit = wit;
        self.omit.push(function.into());
        self
    }

    /// With one more import: the package that has the interface, and the function that is used of it.
    /// `("wasi:clocks", "0.2.0", "wall-clock", "now: func() -> u64")`
    pub fn importing(mut self, package: &str, version: &str, interface: &str, function: &str) -> Self {
        let name = function.split(':').next().unwrap_or_default();
        self.wit = format!(
            "{}\npackage {package}@{version} {{ interface {interface} {{ {function}; }} }}\n\
             package test:extended@1.0.0 {{ world extended {{ include windlass:plugin/plugin@{}; import {package}/{interface}@{version}; }} }}\n",
            self.wit, self.version,
        );
        self.world = "test:extended/extended@1.0.0".into();
        self.module = format!(
            "(import \"{package}/{interface}@{version}\" \"{name}\" (func $foreign (result i64)))\n{}",
            self.module
        );
        self.decide = format!("(drop (call $foreign))\n{}", self.decide);
        self
    }

    /// The component.
    pub fn build(&self) -> Result<Vec<u8>> {
        let mut resolve = Resolve::default();
        let package = resolve.push_str("windlass.wit", &self.wit)?;
        let world = resolve.select_world(&[package], Some(&self.world))?;
        let module = self.module_text(&resolve, world).context("laying out the answers")?;
        let mut module = wat::parse_str(&module)?;
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)?;
        ComponentEncoder::default().validate(true).module(&module)?.encode()
    }

    /// The core module as text.
    fn module_text(&self, resolve: &Resolve, world: wit_parser::WorldId) -> Result<String> {
        let Guest { version, module, decide, describe, pages, .. } = self;
        let mut layout = Layout::new(resolve, ANSWERS);
        let mut addresses = Vec::new();
        let answers = [
            ("describe", &self.description),
            ("validate-settings", &self.judgement),
            ("validate", &self.judgement),
            ("decide", &self.answer),
        ];
        for (function, value) in answers {
            let address = match result_type(resolve, world, function) {
                Some(ty) => layout.put(&ty, value).with_context(|| function.to_owned())?,
                None => 0,
            };
            addresses.push(address);
        }
        let bytes = layout.into_bytes();
        let heap = (ANSWERS + bytes.len()).next_multiple_of(16);
        let pages = (*pages).max(heap.div_ceil(PAGE));
        let data = bytes.iter().fold(String::new(), |mut text, byte| {
            // Writing to a string does not fail.
            let _ = write!(text, "\\{byte:02x}");
            text
        });
        let export = |function: &str| {
            if self.omit.iter().any(|omitted| omitted == function) {
                String::new()
            } else {
                format!("(export \"windlass:plugin/reconciler@{version}#{function}\")")
            }
        };
        let [described, settings_judged, judged, decided] = addresses[..] else { unreachable!("four functions") };
        // Imports come first in a module.
        let (imports, fields) = module.split_at(module.rfind("(import").map_or(0, |at| line_end(module, at)));
        Ok(format!(
            r#"(module
  (import "windlass:plugin/log@{version}" "emit" (func $log (param i32 i32 i32)))
  {imports}
  (memory (export "memory") {pages})
  (global $heap (mut i32) (i32.const {heap}))
  (global $answer i32 (i32.const {decided}))
  (global $kept (mut i32) (i32.const 0))
  (data (i32.const {ANSWERS}) "{data}")
  {fields}
  (func (export "cabi_realloc") (param $old i32) (param $old_size i32) (param $align i32) (param $size i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and
      (i32.add (global.get $heap) (i32.sub (local.get $align) (i32.const 1)))
      (i32.sub (i32.const 0) (local.get $align))))
    (global.set $heap (i32.add (local.get $at) (local.get $size)))
    (block $enough
      (br_if $enough (i32.le_u (global.get $heap) (i32.shl (memory.size) (i32.const 16))))
      (br_if $enough (i32.ne (i32.const -1) (memory.grow (i32.add (i32.const 1) (i32.shr_u (local.get $size) (i32.const 16))))))
      unreachable)
    (local.get $at))
  (func {describe_export} (result i32)
    {describe}
    (i32.const {described}))
  (func {settings_export} (param i32 i32) (result i32) (i32.const {settings_judged}))
  (func {validate_export} (param i32 i32 i32 i32 i32) (result i32) (i32.const {judged}))
  (func {decide_export} (param $resource i32) (param $resource_length i32) (param $deleting i32)
    (param $items i32) (param $items_length i32) (param $related i32) (param $related_length i32)
    (param $now i64) (param $settings i32) (param $settings_length i32) (result i32)
    (local $i i32) (local $j i32)
    {decide}
    (i32.const {decided}))
)"#,
            describe_export = export("describe"),
            settings_export = export("validate-settings"),
            validate_export = export("validate"),
            decide_export = export("decide"),
        ))
    }
}

fn line_end(text: &str, at: usize) -> usize {
    text[at..].find('\n').map_or(text.len(), |end| at + end)
}

/// What a function of the reconciler returns, where the world has it.
fn result_type(resolve: &Resolve, world: wit_parser::WorldId, function: &str) -> Option<Type> {
    resolve.worlds[world].exports.values().find_map(|item| match item {
        WorldItem::Interface { id, .. } => resolve.interfaces[*id].functions.get(function)?.result,
        _ => None,
    })
}

/// A good description of a plugin of this name, which serves `things.NAME.example`.
pub fn description(name: &str) -> Value {
    json!({
        "name": name,
        "version": "1.0.0",
        "serves": [crd(name)],
        "writes": [{"group": "", "version": "v1", "kind": "ConfigMap"}],
    })
}

/// The definition of `Thing`, in a group of this plugin.
pub fn crd(plugin: &str) -> Value {
    let group = format!("{plugin}.example");
    let status = json!({
        "type": "object",
        "x-kubernetes-preserve-unknown-fields": true,
        "properties": {
            "observedGeneration": {"type": "integer", "format": "int64"},
            "conditions": {"type": "array", "items": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
        },
    });
    let spec = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("things.{group}")},
        "spec": {
            "group": group,
            "names": {"kind": "Thing", "plural": "things", "singular": "thing", "listKind": "ThingList"},
            "scope": "Namespaced",
            "versions": [{
                "name": "v1", "served": true, "storage": true, "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec, "status": status}}},
            }],
        },
    })
}
