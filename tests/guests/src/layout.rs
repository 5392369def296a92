//! Values in the memory of a guest: a WIT type and a JSON value in, bytes by the canonical ABI out.
//!
//! Records are objects by the names of WIT; fields that are left out are zero, empty or none. Variants are
//! `{"case": payload}`, or `"case"` without payload. A string may be given as any JSON value, and is its text then.

use anyhow::{Context, Result, bail};
use serde_json::Value;
use wit_parser::{Resolve, SizeAlign, Type, TypeDefKind};

/// The memory of a guest from some address on.
pub(crate) struct Layout<'a> {
    resolve: &'a Resolve,
    sizes: SizeAlign,
    base: usize,
    bytes: Vec<u8>,
}

impl<'a> Layout<'a> {
    pub(crate) fn new(resolve: &'a Resolve, base: usize) -> Self {
        let mut sizes = SizeAlign::default();
        sizes.fill(resolve);
        Layout { resolve, sizes, base, bytes: Vec::new() }
    }

    /// The bytes from the base address on.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Lays out one value, and returns its address.
    pub(crate) fn put(&mut self, ty: &Type, value: &Value) -> Result<usize> {
        let at = self.reserve(self.size(ty), self.align(ty));
        self.store(ty, value, at)?;
        Ok(at)
    }

    fn size(&self, ty: &Type) -> usize {
        self.sizes.size(ty).size_wasm32()
    }

    fn align(&self, ty: &Type) -> usize {
        self.sizes.align(ty).align_wasm32()
    }

    /// Zeroed room.
    fn reserve(&mut self, size: usize, align: usize) -> usize {
        let at = (self.base + self.bytes.len()).next_multiple_of(align);
        self.bytes.resize(at + size - self.base, 0);
        at
    }

    fn write(&mut self, at: usize, bytes: &[u8]) {
        let at = at - self.base;
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
    }

    fn write_u32(&mut self, at: usize, value: usize) -> Result<()> {
        self.write(at, &u32::try_from(value)?.to_le_bytes());
        Ok(())
    }

    fn store(&mut self, ty: &Type, value: &Value, at: usize) -> Result<()> {
        if value.is_null() && !matches!(ty, Type::Id(_) | Type::String) {
            // Room is zeroed.
            return Ok(());
        }
        match ty {
            Type::Bool => self.write(at, &[u8::from(value.as_bool().context("a bool")?)]),
            Type::U8 => self.write(at, &u8::try_from(number(value)?)?.to_le_bytes()),
            Type::U16 => self.write(at, &u16::try_from(number(value)?)?.to_le_bytes()),
            Type::U32 => self.write(at, &u32::try_from(number(value)?)?.to_le_bytes()),
            Type::U64 => self.write(at, &number(value)?.to_le_bytes()),
            Type::String => self.store_string(value, at)?,
            Type::Id(id) => self.store_defined(&self.resolve.types[*id].kind, value, at)?,
            other => bail!("the contract has no {other:?}"),
        }
        Ok(())
    }

    fn store_string(&mut self, value: &Value, at: usize) -> Result<()> {
        let text = match value {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let data = self.reserve(text.len(), 1);
        self.write(data, text.as_bytes());
        self.write_u32(at, data)?;
        self.write_u32(at + 4, text.len())
    }

    fn store_defined(&mut self, kind: &'a TypeDefKind, value: &Value, at: usize) -> Result<()> {
        match kind {
            TypeDefKind::Type(ty) => self.store(ty, value, at),
            TypeDefKind::Record(record) => {
                let none = serde_json::Map::new();
                let given = if value.is_null() { &none } else { value.as_object().context("an object")? };
                if let Some(unknown) = given.keys().find(|key| record.fields.iter().all(|field| field.name != **key)) {
                    bail!("no field {unknown}");
                }
                let offsets = self.sizes.field_offsets(record.fields.iter().map(|field| &field.ty));
                let offsets: Vec<_> = offsets.into_iter().map(|(offset, _)| offset.size_wasm32()).collect();
                for (field, offset) in record.fields.iter().zip(offsets) {
                    let value = given.get(&field.name).unwrap_or(&Value::Null);
                    self.store(&field.ty, value, at + offset).with_context(|| field.name.clone())?;
                }
                Ok(())
            }
            TypeDefKind::List(element) => {
                let none = Vec::new();
                let given = if value.is_null() { &none } else { value.as_array().context("an array")? };
                let size = self.size(element);
                let data = self.reserve(size * given.len(), self.align(element));
                for (index, value) in given.iter().enumerate() {
                    self.store(element, value, data + index * size).with_context(|| format!("[{index}]"))?;
                }
                self.write_u32(at, data)?;
                self.write_u32(at + 4, given.len())
            }
            TypeDefKind::Enum(cases) => {
                let Some(name) = value.as_str() else { return Ok(()) };
                let index = cases.cases.iter().position(|case| case.name == name).context("a case")?;
                self.write(at, &[u8::try_from(index)?]);
                Ok(())
            }
            TypeDefKind::Option(some) => {
                if value.is_null() {
                    return Ok(());
                }
                self.store_case(1, [None, Some(some)], 1, value, at)
            }
            TypeDefKind::Result(result) => {
                let (index, payload) = match value.as_object().and_then(|case| case.iter().next()) {
                    Some((case, payload)) if case == "err" => (1, payload),
                    Some((case, payload)) if case == "ok" => (0, payload),
                    _ => bail!("neither ok nor err"),
                };
                self.store_case(index, [result.ok.as_ref(), result.err.as_ref()], index, payload, at)
            }
            TypeDefKind::Variant(variant) => {
                let (name, payload) = match value {
                    Value::String(name) => (name, &Value::Null),
                    Value::Object(case) => case.iter().next().context("a case")?,
                    _ => bail!("a variant is a string or an object"),
                };
                let index = variant.cases.iter().position(|case| case.name == *name).context("a case")?;
                self.store_case(index, variant.cases.iter().map(|case| case.ty.as_ref()), index, payload, at)
            }
            other => bail!("the contract has no {}", other.as_str()),
        }
    }

    /// A tag, and the payload behind it.
    fn store_case<'t>(
        &mut self,
        tag: usize,
        cases: impl IntoIterator<Item = Option<&'t Type>> + Clone,
        index: usize,
        payload: &Value,
        at: usize,
    ) -> Result<()> {
        self.write(at, &[u8::try_from(tag)?]);
        let Some(Some(ty)) = cases.clone().into_iter().nth(index) else { return Ok(()) };
        let offset = self.sizes.payload_offset(wit_parser::Int::U8, cases).size_wasm32();
        self.store(ty, payload, at + offset)
    }
}

fn number(value: &Value) -> Result<u64> {
    value.as_u64().context("a number")
}
