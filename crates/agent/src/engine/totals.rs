//! What the session used so far. Results carry running totals, so they are kept for the life of the process.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::wire::scribe::Usage;

/// Context a model of this size would have, in tokens.
pub(super) const CONTEXT_TOKENS: u64 = 200_000;
const OUTPUT_TOKENS_MAX: u64 = 32_000;
/// What a token would cost, in US dollars: nothing is charged, but people should see a number move.
const INPUT_TOKEN_USD: f64 = 3e-6;
const OUTPUT_TOKEN_USD: f64 = 15e-6;

#[derive(Debug, Default)]
pub(super) struct Totals {
    by_model: BTreeMap<String, Usage>,
    /// Results written so far.
    pub(super) results: u64,
    pub(super) api_ms: u64,
    /// The last request's size, which is what fills the context.
    pub(super) context: Usage,
}

impl Totals {
    pub(super) fn add(&mut self, model: &str, usage: Usage) {
        let total = self.by_model.entry(model.to_owned()).or_default();
        total.input_tokens += usage.input_tokens;
        total.output_tokens += usage.output_tokens;
        self.context = usage;
    }

    pub(super) fn cost_usd(&self) -> f64 {
        self.by_model.values().copied().map(cost).sum()
    }

    pub(super) fn model_usage(&self) -> Value {
        let entry = |(model, usage): (&String, &Usage)| {
            let usage = json!({
                "inputTokens": usage.input_tokens, "outputTokens": usage.output_tokens,
                "cacheReadInputTokens": 0, "cacheCreationInputTokens": 0, "webSearchRequests": 0,
                "costUSD": cost(*usage), "contextWindow": CONTEXT_TOKENS, "maxOutputTokens": OUTPUT_TOKENS_MAX,
            });
            (model.clone(), usage)
        };
        Value::Object(self.by_model.iter().map(entry).collect::<Map<_, _>>())
    }

    /// The session's cost in words.
    pub(super) fn describe(&self) -> String {
        let mut lines = vec![
            format!("Estimated cost:        ${:.4}", self.cost_usd()),
            format!("Total duration (API):  {}s", self.api_ms / 1000),
            "Usage by model:".to_owned(),
        ];
        lines.extend(self.by_model.iter().map(|(model, usage)| {
            format!(
                "  {model}: {} input, {} output (${:.4})",
                usage.input_tokens,
                usage.output_tokens,
                cost(*usage)
            )
        }));
        lines.join("\n")
    }
}

#[expect(clippy::cast_precision_loss, reason = "a session's token counts stay far below 2^52")]
fn cost(usage: Usage) -> f64 {
    usage.input_tokens as f64 * INPUT_TOKEN_USD + usage.output_tokens as f64 * OUTPUT_TOKEN_USD
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_over_the_session_and_by_model() {
        let mut totals = Totals::default();
        for model in ["a", "b", "a"] {
            totals.add(model, Usage { input_tokens: 1000, output_tokens: 100 });
        }
        let usage = totals.model_usage();
        assert_eq!((&usage["a"]["inputTokens"], &usage["b"]["outputTokens"]), (&json!(2000), &json!(100)));
        assert!((totals.cost_usd() - 0.0135).abs() < 1e-9);
        assert!(totals.describe().contains("a: 2000 input, 200 output ($0.0090)"), "{}", totals.describe());
    }
}
