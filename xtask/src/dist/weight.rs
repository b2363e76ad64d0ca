//! What files weigh on disk and on the wire.

use std::io::Write as _;

use anyhow::Result;
use flate2::Compression;
use flate2::write::GzEncoder;

/// Brotli's best quality and largest ordinary window: files are compressed once and served often.
const BROTLI_QUALITY: u32 = 11;
const BROTLI_WINDOW_BITS: u32 = 22;
const BROTLI_BUFFER_BYTES: usize = 4096;

/// A file as it can be sent.
#[derive(Debug)]
pub(super) struct Packed {
    pub(super) gzip: Vec<u8>,
    pub(super) brotli: Vec<u8>,
}

/// What one file weighs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Weight {
    pub(super) raw_bytes: usize,
    pub(super) gzip_bytes: usize,
    pub(super) brotli_bytes: usize,
}

pub(super) fn pack(content: &[u8]) -> Result<Packed> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(content)?;
    let mut brotli =
        brotli::CompressorWriter::new(Vec::new(), BROTLI_BUFFER_BYTES, BROTLI_QUALITY, BROTLI_WINDOW_BITS);
    brotli.write_all(content)?;
    Ok(Packed { gzip: gzip.finish()?, brotli: brotli.into_inner() })
}

impl Weight {
    pub(super) fn of(content: &[u8], packed: &Packed) -> Self {
        Self { raw_bytes: content.len(), gzip_bytes: packed.gzip.len(), brotli_bytes: packed.brotli.len() }
    }

    pub(super) fn sum<'a>(weights: impl IntoIterator<Item = &'a Self>) -> Self {
        weights.into_iter().fold(Self::default(), |sum, weight| Self {
            raw_bytes: sum.raw_bytes + weight.raw_bytes,
            gzip_bytes: sum.gzip_bytes + weight.gzip_bytes,
            brotli_bytes: sum.brotli_bytes + weight.brotli_bytes,
        })
    }
}

/// A line for each file, and one for all of them.
pub(super) fn table(title: &str, weights: &[(String, Weight)]) -> String {
    let total = Weight::sum(weights.iter().map(|(_, weight)| weight));
    let names = weights.iter().map(|(name, _)| name.len());
    let width = names.chain([title.len(), "total".len()]).max().unwrap_or_default();
    let mut table = format!("{title:width$}  {:>12}  {:>12}  {:>12}\n", "raw", "gzip", "brotli");
    for (name, weight) in
        weights.iter().map(|(name, weight)| (name.as_str(), weight)).chain([("total", &total)])
    {
        let Weight { raw_bytes, gzip_bytes, brotli_bytes } = weight;
        table += &format!("{name:width$}  {raw_bytes:>12}  {gzip_bytes:>12}  {brotli_bytes:>12}\n");
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_repeats_weighs_less_on_the_wire_than_on_disk() {
        let content = [b'a'; 10_000];
        let weight = Weight::of(&content, &pack(&content).unwrap());
        assert_eq!(weight.raw_bytes, 10_000);
        assert!(weight.gzip_bytes < 100 && weight.brotli_bytes < 100, "{weight:?}");
    }

    #[test]
    fn the_table_ends_with_the_sum_of_its_lines() {
        let weight = |raw_bytes| Weight { raw_bytes, gzip_bytes: raw_bytes / 2, brotli_bytes: raw_bytes / 4 };
        let table =
            table("at first", &[("a.js".to_owned(), weight(400)), ("b.wasm".to_owned(), weight(800))]);
        let last = table.lines().last().unwrap().split_whitespace().collect::<Vec<_>>();
        assert_eq!(last, ["total", "1200", "600", "300"]);
    }
}
