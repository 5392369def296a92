//! What can be seen of a component from outside, sound or not: bytes in, names out. For people who look at a file; whether
//! it is a plugin is for [`super::inspect`] to say.

use super::{inspect, text};
use wasmparser::{Parser, Payload};

/// Names that are read of one section at most.
const MOST: usize = 1_000;

/// Names of a component.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surface {
    /// Top-level imports, as far as the bytes can be read.
    pub imports: Vec<String>,
    /// Top-level exports, likewise.
    pub exports: Vec<String>,
    /// The contract that it names, `windlass:plugin@1.0.0`; none where it names none.
    pub contract: Option<String>,
}

/// Looks at the bytes.
pub fn surface(bytes: &[u8]) -> Surface {
    let mut surface = Surface::default();
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload {
            Ok(Payload::Version { .. }) => depth += 1,
            Ok(Payload::End(_)) => depth = depth.saturating_sub(1),
            Ok(Payload::ComponentImportSection(section)) if depth == 1 => {
                let names = section.into_iter().map_while(Result::ok).map(|import| import.name.name);
                surface.imports.extend(names.take(MOST).map(|name| text::clean(name, text::NAME)));
            }
            Ok(Payload::ComponentExportSection(section)) if depth == 1 => {
                let names = section.into_iter().map_while(Result::ok).map(|export| export.name.name);
                surface.exports.extend(names.take(MOST).map(|name| text::clean(name, text::NAME)));
            }
            Ok(_) => {}
            Err(_) => break,
        }
    }
    let Surface { imports, exports, contract } = &mut surface;
    *contract = imports.iter().chain(exports.iter()).find_map(|name| inspect::contract_of(name));
    surface
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_of_what_is_sound_and_of_what_is_cut_off() {
        let whole = wat::parse_str(
            "(component
               (import \"windlass:plugin/log@1.0.0\" (instance))
               (import \"wasi:io/poll@0.2.0\" (instance))
               (component $inner (import \"inner\" (instance)))
               (instance $r)
               (export \"windlass:plugin/reconciler@1.0.0\" (instance $r)))",
        )
        .unwrap();
        let seen = surface(&whole);
        assert_eq!(seen.imports, ["windlass:plugin/log@1.0.0", "wasi:io/poll@0.2.0"]);
        assert_eq!(seen.exports, ["windlass:plugin/reconciler@1.0.0"]);
        assert_eq!(seen.contract.as_deref(), Some("windlass:plugin@1.0.0"));
        for length in 0..whole.len() {
            let part = surface(&whole[..length]);
            assert!(seen.imports.starts_with(&part.imports), "{length}");
        }
        assert_eq!(surface(b"hello"), Surface::default());
    }
}
