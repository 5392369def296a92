#![allow(clippy::unwrap_used)]

use super::*;
use proptest::prelude::*;

/// What ends like a dump, and does not compress to nothing.
fn dump_of(bytes: usize, seed: u64) -> Vec<u8> {
    let entropy = crate::entropy::Entropy::seeded(seed);
    let mut noise = vec![0; bytes];
    entropy.fill(&mut noise);
    let mut dump: Vec<u8> = noise.iter().map(|byte| b'a' + byte % 16).collect();
    dump.extend_from_slice(b"\n-- Dump completed on 2026-11-22 20:05:54\n");
    dump
}

fn packed(dump: &[u8]) -> (Vec<u8>, Packed) {
    let mut stored = Vec::new();
    let packed = pack(dump, &mut stored, &Progress::default()).unwrap();
    (stored, packed)
}

fn unpacked(stored: &[u8], expected: &Data) -> Result<Vec<u8>, Error> {
    let mut sink = Vec::new();
    unpack(stored, &mut sink, expected, &Progress::default(), <[u8]>::to_vec).map(|()| sink)
}

/// A disk with this much room.
struct Disk(usize);

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0 == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let written = bytes.len().min(self.0);
        self.0 -= written;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_dump_comes_back_as_it_went_with_both_checksums_and_both_ends() {
    let dump = dump_of(3 << 20, 1);
    let (stored, packed) = packed(&dump);
    assert_eq!((packed.data.size, packed.data.plain_size), (stored.len() as u64, dump.len() as u64));
    assert_eq!(packed.data.sha256, hex(&Sha256::digest(&stored)));
    assert_eq!(packed.data.plain_sha256, hex(&Sha256::digest(&dump)));
    assert_eq!(packed.head, dump[..dump::HEAD]);
    assert!(dump::is_whole(&packed.tail) && packed.tail.len() == dump::TAIL);
    assert!(unpacked(&stored, &packed.data).unwrap() == dump);
}

#[test]
fn a_full_destination_is_told_with_what_to_do_wherever_it_gets_full() {
    let dump = dump_of(1 << 20, 2);
    let whole = packed(&dump).0.len();
    for room in [0, 1, whole / 2, whole - 1] {
        let error = pack(&dump[..], Disk(room), &Progress::default()).unwrap_err();
        assert!(matches!(error, Error::Full { stored } if stored == room as u64), "{room}: {error:?}");
        assert!(error.to_string().contains("make room"), "{error}");
    }
    assert!(pack(&dump[..], Disk(whole), &Progress::default()).is_ok());
}

#[test]
fn a_dump_that_cannot_be_read_on_is_an_error_of_the_reader() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::ConnectionReset.into())
        }
    }
    let error = pack((&b"-- MySQL dump"[..]).chain(Broken), io::sink(), &Progress::default()).unwrap_err();
    assert!(matches!(error, Error::Read(_)), "{error:?}");
}

#[test]
fn who_takes_a_dump_and_stops_is_told_from_a_damaged_file() {
    let dump = dump_of(1 << 21, 3);
    let (stored, packed) = packed(&dump);
    let error = unpack(&stored[..], Disk(1 << 20), &packed.data, &Progress::default(), <[u8]>::to_vec).unwrap_err();
    assert!(matches!(error, Error::Sink(_)), "{error:?}");
}

#[test]
fn a_manifest_with_other_checksums_of_the_dump_is_noticed() {
    let (stored, packed) = packed(&dump_of(1000, 4));
    let other = Data { plain_sha256: packed.data.sha256.clone(), ..packed.data.clone() };
    assert!(matches!(unpacked(&stored, &other), Err(Error::Altered { .. })));
    let shorter = Data { plain_size: 1, ..packed.data };
    assert!(matches!(unpacked(&stored, &shorter), Err(Error::Altered { .. })));
}

proptest! {
    #[test]
    fn a_file_that_was_cut_altered_or_prolonged_anywhere_is_refused(
        length in 0usize..200_000, seed in any::<u64>(), at in any::<prop::sample::Index>(), with in 1u8..,
    ) {
        let (stored, packed) = packed(&dump_of(length, seed));
        let at = at.index(stored.len());
        let cut = unpacked(&stored[..at], &packed.data);
        prop_assert!(matches!(cut, Err(Error::Truncated { found, .. }) if found == at as u64), "{:?}", cut.err());
        let mut altered = stored.clone();
        altered[at] ^= with;
        let found = unpacked(&altered, &packed.data);
        prop_assert!(matches!(found, Err(Error::Altered { .. })), "{:?}", found.err());
        let mut longer = stored;
        longer.push(with);
        let found = unpacked(&longer, &packed.data);
        prop_assert!(matches!(found, Err(Error::Altered { .. })), "{:?}", found.err());
    }
}
