//! The headless front: lines from the host to the engine, lines of the engine to the host. All of it is one future,
//! so dropping it stops the turn and kills what the turn started.

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, BufWriter};

use crate::{
    engine::QueryEngine,
    error::{AgentError, ExitReport},
    options::AgentOptions,
    wire::{lines::LineReader, scribe::Usage},
};

/// Speaks stream-json until the input ends and everything in it is answered, or until it cannot be understood.
pub async fn run_stdio<R, W>(options: AgentOptions, stdin: R, stdout: W) -> Result<ExitReport, AgentError>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut input = LineReader::new(stdin);
    let mut output = BufWriter::new(stdout);
    let world = options.world.clone();
    let mut engine = match QueryEngine::new(options) {
        Ok(engine) => engine,
        Err(error) => {
            if let AgentError::NoConversation(id) = &error {
                output.write_all(format!("{}\n", no_conversation(id, &world.uuid())).as_bytes()).await?;
                output.flush().await?;
            }
            return Err(error);
        }
    };
    loop {
        while let Some(line) = engine.poll_output() {
            output.write_all(line.as_bytes()).await?;
            output.write_all(b"\n").await?;
        }
        output.flush().await?;
        if engine.is_closed() && engine.is_idle() {
            return Ok(engine.exit_report());
        }
        tokio::select! {
            line = input.next(), if !engine.is_closed() => match line? {
                Some(line) => engine.handle_line(&line)?,
                None => engine.handle_end_of_input(),
            },
            event = engine.next_event() => engine.handle_event(event),
        }
    }
}

/// The result of a session that could not be resumed: hosts wait for one.
fn no_conversation(id: &str, uuid: &str) -> String {
    let result = serde_json::json!({
        "type": "result", "subtype": "error_during_execution", "is_error": true, "duration_ms": 0, "duration_api_ms": 0,
        "num_turns": 0, "stop_reason": null, "session_id": id, "total_cost_usd": 0.0, "usage": Usage::default().to_json(),
        "modelUsage": {}, "permission_denials": [], "uuid": uuid,
        "errors": [format!("No conversation found with session ID: {id}")],
    });
    result.to_string()
}
