//! All the chance there is in a simulation: one seed, and a stream of its own for everybody who asks, so that one
//! more throw in one place changes nothing in another.

use std::ops::RangeInclusive;
use std::sync::{Mutex, PoisonError};

use portcullis_ingress::Entropy;

/// A stream of throws (SplitMix64).
#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    /// The stream of `seed`.
    #[must_use]
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed ^ 0x9e37_79b9_7f4a_7c15)
    }

    /// A stream of its own for `name`.
    #[must_use]
    pub(crate) fn fork(&self, name: &str) -> Self {
        let mixed = name.bytes().fold(self.0, |mixed, byte| {
            (mixed ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(23)
        });
        let mut fork = Self(mixed);
        fork.next();
        fork
    }

    /// 64 bits.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number of `range`.
    pub(crate) fn within(&mut self, range: RangeInclusive<u64>) -> u64 {
        let width = range.end().saturating_sub(*range.start()).saturating_add(1);
        range.start() + self.next() % width
    }

    /// Whether something of `per_mille` chance happens.
    pub(crate) fn hits(&mut self, per_mille: u64) -> bool {
        self.next() % 1_000 < per_mille
    }

    /// One of them; there has to be one.
    pub(crate) fn pick<'a, T>(&mut self, among: &'a [T]) -> &'a T {
        let at = self.next() % u64::try_from(among.len()).unwrap_or(1).max(1);
        &among[usize::try_from(at).unwrap_or(0)]
    }

    /// Something that looks like a random uuid.
    pub(crate) fn uuid(&mut self) -> String {
        let (high, low) = (self.next(), self.next());
        let (a, b, c) = (high >> 32, (high >> 16) & 0xffff, high & 0x0fff);
        let (d, e) = ((low >> 48) & 0x3fff | 0x8000, low & 0xffff_ffff_ffff);
        format!("{a:08x}-{b:04x}-4{c:03x}-{d:04x}-{e:012x}")
    }
}

/// The same as the ingress wants it.
#[derive(Debug)]
pub(crate) struct SeededEntropy(Mutex<Dice>);

impl SeededEntropy {
    /// Bytes from `dice`.
    #[must_use]
    pub(crate) fn new(dice: Dice) -> Self {
        Self(Mutex::new(dice))
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        let mut dice = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for chunk in bytes.chunks_mut(8) {
            let random = dice.next().to_le_bytes();
            chunk.copy_from_slice(&random[..chunk.len()]);
        }
    }
}
