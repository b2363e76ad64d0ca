//! What the models of one provider cost by its public price list, so that a session shows a number. A model that is
//! not on the list costs an unknown amount, which is shown as nothing.

use crate::wire::scribe::Usage;

/// US dollars per million tokens: in, out. The longest name that a model's name contains counts.
const PRICES: [(&str, f64, f64); 9] = [
    ("claude-opus-4-5", 5.0, 25.0),
    ("claude-opus-4-6", 5.0, 25.0),
    ("claude-opus-4", 15.0, 75.0),
    ("claude-sonnet-4", 3.0, 15.0),
    ("claude-3-7-sonnet", 3.0, 15.0),
    ("claude-haiku-4-5", 1.0, 5.0),
    ("claude-3-5-haiku", 0.8, 4.0),
    ("claude-3-haiku", 0.25, 1.25),
    // Nothing is charged for it, but people should see a number move.
    ("scripted", 3.0, 15.0),
];
/// Writing to the cache for five minutes costs this much of a token in, reading from it that much.
const CACHE_WRITE: f64 = 1.25;
const CACHE_READ: f64 = 0.1;
const TOKENS_PER_PRICE: f64 = 1e6;

/// US dollars, or `None` if the model is not on the list.
#[expect(clippy::cast_precision_loss, reason = "a session's token counts stay far below 2^52")]
pub(crate) fn cost_usd(model: &str, usage: Usage) -> Option<f64> {
    let listed = PRICES.iter().filter(|(name, _, _)| model.contains(name));
    let (_, input, output) = listed.max_by_key(|(name, _, _)| name.len())?;
    let fresh = usage.input_tokens as f64
        + usage.cache_creation_tokens as f64 * CACHE_WRITE
        + usage.cache_read_tokens as f64 * CACHE_READ;
    Some((fresh * input + usage.output_tokens as f64 * output) / TOKENS_PER_PRICE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_closest_name_and_knows_what_it_does_not_know() {
        let million = Usage { input_tokens: 1_000_000, ..Usage::default() };
        assert_eq!(cost_usd("claude-opus-4-5-20251101", million), Some(5.0));
        assert_eq!(cost_usd("claude-opus-4-1", million), Some(15.0));
        assert_eq!(cost_usd("qwen3-coder:30b", million), None);
        let cached = Usage { cache_read_tokens: 1_000_000, output_tokens: 1_000_000, ..Usage::default() };
        assert_eq!(cost_usd("claude-sonnet-4-5", cached), Some(15.3));
    }
}
