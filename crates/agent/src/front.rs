//! The headless front: lines from the host to the engine, lines of the engine to the host. All of it is one future,
//! so dropping it stops the turn and kills what the turn started.

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, BufWriter};

use crate::{
    engine::QueryEngine,
    error::{AgentError, ExitReport},
    options::AgentOptions,
    wire::lines::LineReader,
};

/// Speaks stream-json until the input ends and everything in it is answered, or until it cannot be understood.
pub async fn run_stdio<R, W>(options: AgentOptions, stdin: R, stdout: W) -> Result<ExitReport, AgentError>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut engine = QueryEngine::new(options)?;
    let mut input = LineReader::new(stdin);
    let mut output = BufWriter::new(stdout);
    let mut open = true;
    loop {
        while let Some(line) = engine.poll_output() {
            output.write_all(line.as_bytes()).await?;
            output.write_all(b"\n").await?;
        }
        output.flush().await?;
        if !open && engine.is_idle() {
            return Ok(engine.exit_report());
        }
        tokio::select! {
            line = input.next(), if open => match line? {
                Some(line) => engine.handle_line(&line)?,
                None => {
                    open = false;
                    engine.handle_end_of_input();
                }
            },
            event = engine.next_event() => engine.handle_event(event),
        }
    }
}
