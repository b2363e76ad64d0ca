//! What the session used so far. Results carry running totals, so they are kept for the life of the process.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::{
    model::messages::{price::cost_usd, request::OUTPUT_TOKENS_MAX},
    wire::scribe::Usage,
};

/// Context a model is taken to have, in tokens: no API says it, and most current ones have at least that.
pub(super) const CONTEXT_TOKENS: u64 = 200_000;

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
    /// Nothing used, after that many results.
    pub(super) fn after(results: u64) -> Self {
        Self { results, ..Self::default() }
    }

    pub(super) fn add(&mut self, model: &str, usage: Usage) {
        self.by_model.entry(model.to_owned()).or_default().add(usage);
        self.context = usage;
    }

    /// US dollars; models whose price is not known count for nothing.
    pub(super) fn cost_usd(&self) -> f64 {
        // An empty sum of floats is minus zero.
        self.by_model.iter().map(|(model, usage)| cost(model, *usage)).sum::<f64>() + 0.0
    }

    /// What another process of this session has to know.
    pub(super) fn to_json(&self) -> Value {
        let by_model = |(model, usage): (&String, &Usage)| (model.clone(), usage.to_json());
        json!({"api_ms": self.api_ms, "by_model": self.by_model.iter().map(by_model).collect::<Map<_, _>>()})
    }

    /// Goes on from what an earlier process wrote down.
    pub(super) fn resume(&mut self, before: Option<&Value>) {
        let Some(before) = before else { return };
        self.api_ms = before["api_ms"].as_u64().unwrap_or_default();
        let by_model = before["by_model"].as_object().into_iter().flatten();
        for (model, counted) in by_model {
            self.by_model.entry(model.clone()).or_default().update(counted);
        }
    }

    pub(super) fn model_usage(&self) -> Value {
        let entry = |(model, usage): (&String, &Usage)| {
            let usage = json!({
                "inputTokens": usage.input_tokens, "outputTokens": usage.output_tokens,
                "cacheReadInputTokens": usage.cache_read_tokens,
                "cacheCreationInputTokens": usage.cache_creation_tokens, "webSearchRequests": 0,
                "costUSD": cost(model, *usage), "contextWindow": CONTEXT_TOKENS, "maxOutputTokens": OUTPUT_TOKENS_MAX,
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
            let cost = cost_usd(model, *usage)
                .map_or_else(|| "price unknown".to_owned(), |usd| format!("${usd:.4}"));
            format!("  {model}: {} input, {} output ({cost})", usage.context_tokens(), usage.output_tokens)
        }));
        lines.join("\n")
    }
}

fn cost(model: &str, usage: Usage) -> f64 {
    cost_usd(model, usage).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_over_the_session_and_by_model() {
        let mut totals = Totals::default();
        for model in ["scripted", "own", "scripted"] {
            totals.add(model, Usage { input_tokens: 1000, output_tokens: 100, ..Usage::default() });
        }
        let usage = totals.model_usage();
        assert_eq!(
            (&usage["scripted"]["inputTokens"], &usage["own"]["outputTokens"]),
            (&json!(2000), &json!(100))
        );
        assert!((totals.cost_usd() - 0.009).abs() < 1e-9);
        assert!(
            totals.describe().contains("scripted: 2000 input, 200 output ($0.0090)"),
            "{}",
            totals.describe()
        );
        assert!(totals.describe().contains("own: 1000 input, 100 output (price unknown)"));

        let mut resumed = Totals::default();
        resumed.resume(Some(&totals.to_json()));
        assert_eq!(resumed.model_usage(), usage);
    }
}
